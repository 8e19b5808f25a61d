import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

import { expect } from 'chai';

import { descendantsOf, leftovers, newLeftovers, waitUntilGone } from '../../src/testing.ts';
import { CLI, cleanEnvironment, makeFolder, openSite, ROOT, startCli } from './cli.ts';

const STUBBORN = 'test/fixtures/actions/stubborn.ts';
const REPEAT_MS = 50;

describe('stopping a run', function () {
  this.timeout(60_000);

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`ends with 130, its data and a summary on ${signal}, also when it comes twice at once as under npm`, async () => {
      await using site = await openSite();
      using output = makeFolder();
      const before = leftovers();
      const pages = ['test/fixtures/actions/pages.ts', '--url', site.url, '--pages', '50', '--pause-ms', '50'];
      await using cli = startCli(['run', ...pages, '--output', output.path]);
      await site.visited('/3');
      cli.signal(signal);
      cli.signal(signal);
      const { code, stdout, stderr } = await cli.result;
      expect(code).to.equal(130);
      expect(stderr.match(/Stopping; press Ctrl\+C again to kill/g)).to.have.length(1);
      expect(stdout)
        .to.match(/^pages was cancelled after/)
        .and.match(/ {2}steps {6}\d+ = \d+ done \+ 1 cancelled\n/);
      expect(stdout).to.include('  next       webdriver-supervisor run');
      const { processes, folders } = newLeftovers(before);
      expect(folders).to.deep.equal([]);
      // The browser's crash handler sees that the browser has gone, and goes a moment later.
      await waitUntilGone(processes.map(({ pid }) => pid));
    });
  }

  it('ends at once when asked again, and nothing is left', async () => {
    using output = makeFolder();
    await using cli = startCli(['run', STUBBORN, '--output', output.path]);
    await cli.said(/waiting for ever/);
    const family = descendantsOf(cli.pid).map(({ pid }) => pid);
    expect(family).to.have.length.above(2);
    const ended = cli.result.then(() => true);
    // Again and again: what comes within 300 ms of the first is the same Ctrl+C.
    for (let hasEnded = false; !hasEnded;) {
      cli.signal('SIGINT');
      hasEnded = await Promise.race([ended, delay(REPEAT_MS, false)]);
    }
    const { code, stdout } = await cli.result;
    expect(code).to.equal(130);
    expect(stdout).to.equal('');
    await waitUntilGone(family);
  });

  it('ends at once when the npm behind its shell was killed outright', async () => {
    using output = makeFolder();
    const command = [process.execPath, ...CLI, 'run', STUBBORN, '--output', output.path];
    // Like npm: a program that starts a shell that starts us, and stays.
    const npm = spawn(
      process.execPath,
      [
        '-e',
        `require('node:child_process').spawn('/bin/sh', ['-c', '"$0" "$@"; :', ...${JSON.stringify(command)}], { stdio: 'inherit' })`,
      ],
      { cwd: ROOT, env: cleanEnvironment({ npm_lifecycle_event: 'action' }), stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    npm.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    while (!said.includes('waiting for ever')) await once(npm.stderr, 'data');
    const family = descendantsOf(npm.pid ?? 0).map(({ pid }) => pid);
    expect(family).to.have.length.above(4);
    npm.kill('SIGKILL');
    await waitUntilGone(family);
  });
});
