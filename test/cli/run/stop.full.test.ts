import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

import { expect } from 'chai';

import { descendantsOf, killProcess, leftovers, newLeftovers, waitUntilGone } from '../../../src/testing.ts';
import { CLI, cleanEnvironment, makeFolder, openSite, ROOT, startCli } from '../cli.ts';

const PAGES = 'test/fixtures/actions/pages.ts';
const STUBBORN = 'test/fixtures/actions/stubborn.ts';
const REPEAT_MS = 50;

describe('stopping a run', function () {
  this.timeout(60_000);

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`ends with 130, its data and a summary on ${signal}, also if the signal comes twice at once as under npm`, async () => {
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
      // The browser's crash handler notices the end of the browser, and ends a moment later.
      await waitUntilGone(processes.map(({ pid }) => pid));
    });
  }

  it('ends at once on a second request, and leaves nothing', async () => {
    using output = makeFolder();
    await using cli = startCli(['run', STUBBORN, '--output', output.path]);
    await cli.said(/waiting for ever/);
    const family = descendantsOf(cli.pid).map(({ pid }) => pid);
    expect(family).to.have.length.above(2);
    const ended = cli.result.then(() => true);
    // Repeatedly, because a signal within 500 ms of the first counts as the same Ctrl+C.
    for (let hasEnded = false; !hasEnded;) {
      cli.signal('SIGINT');
      hasEnded = await Promise.race([ended, delay(REPEAT_MS, false)]);
    }
    const { code, stdout } = await cli.result;
    expect(code).to.equal(130);
    expect(stdout).to.equal('');
    await waitUntilGone(family);
  });

  const ENDS_OF_NPM = [
    { what: 'npm is killed and its shell stays', signal: 'SIGKILL', member: 'npm' },
    { what: 'npm is asked to end and its shell stays', signal: 'SIGTERM', member: 'npm' },
    { what: 'the shell that npm started is asked to end', signal: 'SIGTERM', member: 'shell' },
    { what: 'the shell that npm started is killed', signal: 'SIGKILL', member: 'shell' },
    { what: 'the program itself is asked to end', signal: 'SIGTERM', member: 'program' },
  ] as const;
  for (const { what, signal, member } of ENDS_OF_NPM) {
    it(`ends with its data, a summary and a run that can be resumed if ${what}`, async () => {
      await using site = await openSite();
      using output = makeFolder();
      const before = leftovers();
      const pages = [PAGES, '--url', site.url, '--pages', '50', '--pause-ms', '100', '--output', output.path];
      const command = [process.execPath, ...CLI, 'run', ...pages];
      // Like npm: a program that starts a shell, which starts ours, and waits.
      await using chain = startChain(process.execPath, [
        '-e',
        `require('node:child_process').spawn('/bin/sh', ['-c', '"$0" "$@"; :', ...${JSON.stringify(command)}], { stdio: 'inherit' })`,
      ]);
      await site.visited('/3');
      const family = descendantsOf(chain.pid);
      const shell = family.find(({ ppid }) => ppid === chain.pid);
      const program = family.find(({ ppid }) => ppid === shell?.pid);
      process.kill({ npm: chain.pid, shell: shell?.pid ?? 0, program: program?.pid ?? 0 }[member], signal);
      const { stdout, stderr } = await chain.result;
      expectGracefulEnd({ stdout, stderr });
      expect(readFileSync(path.join(output.path, 'records.jsonl'), 'utf8')).to.match(/^\{"number":1,/);
      await waitUntilGone(family.map(({ pid }) => pid));
      const left = newLeftovers(before);
      expect(left.folders).to.deep.equal([]);
      await waitUntilGone(left.processes.map(({ pid }) => pid));
    });
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`ends with 130, its data and a summary if npm itself gets ${signal}`, async () => {
      await using site = await openSite();
      using output = makeFolder();
      const pages = [PAGES, '--url', site.url, '--pages', '50', '--pause-ms', '100', '--output', output.path];
      await using npm = startChain('npm', ['run', 'action', '--', ...pages]);
      await site.visited('/3');
      const family = descendantsOf(npm.pid).map(({ pid }) => pid);
      process.kill(npm.pid, signal);
      const { code, stdout, stderr } = await npm.result;
      expectGracefulEnd({ stdout, stderr });
      expect(code).to.equal(130);
      await waitUntilGone(family);
    });
  }
});

interface Chain extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when every process that writes to the pipes of the chain has ended. */
  readonly result: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** Starts a program that starts others, in the environment of an npm script. */
function startChain(file: string, args: readonly string[]): Chain {
  const child = spawn(file, args, {
    cwd: ROOT,
    env: cleanEnvironment({ npm_lifecycle_event: 'action' }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const result = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([stdout, stderr, [code]]) => ({ code: code as number | null, stdout, stderr }),
  );
  const pid = child.pid ?? 0;
  return {
    pid,
    result,
    async [Symbol.asyncDispose]() {
      const family = descendantsOf(pid);
      child.kill('SIGKILL');
      for (const member of family) killProcess(member.pid);
      await result;
    },
  };
}

function expectGracefulEnd({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): void {
  expect(stderr.match(/Stopping; press Ctrl\+C again to kill/g)).to.have.length(1);
  expect(stdout)
    .to.match(/^pages was cancelled after/m)
    .and.match(/ {2}steps {6}\d+ = \d+ done/)
    .and.match(/ {2}next {7}npm run action -- \S+ --resume \d{8}-/);
}
