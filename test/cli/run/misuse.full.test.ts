import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import type { RunOutcome } from '../../../src/runs/runs.ts';
import { leftovers, newLeftovers, waitUntilGone } from '../../../src/testing.ts';
import { makeFolder, runCli, STACK_LINE } from '../cli.ts';

const ACTION = 'test/fixtures/actions/ends-program.ts';
const LOCATION = String.raw`test/fixtures/actions/ends-program\.ts:\d+:\d+`;

const called = (call: string): RegExp =>
  new RegExp(`^action-error: process\\.${call} was called at ${LOCATION}, and the run`);
const stray = (words: string): RegExp => new RegExp(`^action-error: ${words} \\(${LOCATION}\\)$`);

const MISUSES: readonly { readonly how: string; readonly what: string; readonly first: RegExp }[] = [
  { how: 'exit', what: 'a call of process.exit', first: called(String.raw`exit\(0\)`) },
  { how: 'imported-exit', what: 'a call of exit from node:process', first: called(String.raw`exit\(3\)`) },
  { how: 'really-exit', what: 'a call of process.reallyExit', first: called(String.raw`reallyExit\(0\)`) },
  { how: 'abort', what: 'a call of process.abort', first: called(String.raw`abort\(\)`) },
  { how: 'caught-exit', what: 'a call of process.exit whose throw is caught', first: called(String.raw`exit\(0\)`) },
  { how: 'exit-in-timer', what: 'a call of process.exit in a timer', first: called(String.raw`exit\(0\)`) },
  { how: 'exit-in-listener', what: 'a call of process.exit in a listener', first: called(String.raw`exit\(0\)`) },
  { how: 'stray-error', what: 'an error in a timer', first: stray('An error was not caught .*: nobody catches') },
  {
    how: 'stray-rejection',
    what: 'a rejection',
    first: stray('A rejected promise was not handled .*: nobody listens'),
  },
  {
    how: 'stray-text',
    what: 'a rejection without a stack',
    first: stray('A rejected promise was not handled .*: only a text'),
  },
  {
    how: 'never',
    what: 'an exhausted event loop',
    first: new RegExp(
      `^action-error: The program had nothing left to do while it waited for the step "second" \\(${LOCATION}\\)`,
    ),
  },
];

describe('an action that ends the program', function () {
  this.timeout(60_000);

  for (const { how, what, first } of MISUSES) {
    it(`is ended with a summary, exit code 1 and a run that can be resumed: ${what}`, async () => {
      await using server = await openScriptedWebDriver();
      using output = makeFolder();
      const args = ['run', ACTION, '--grid', server.url, '--output', output.path];
      const { code, stdout, stderr } = await runCli([...args, '--how', how]);
      expect(stdout.split('\n')[0]).to.match(first);
      expect(stdout)
        .to.match(/^ends-program failed after/m)
        .and.include('  steps      2 = 1 done + 1 cancelled\n');
      expect(stdout + stderr).to.not.match(STACK_LINE);
      expect(server.sessionIds).to.deep.equal([]);
      expect(code).to.equal(1);

      const id = / --resume (\S+)/.exec(stdout)?.[1] ?? '';
      const resumed = await runCli([...args, '--resume', id, '--json'], { environment: { RUN_TO_THE_END: 'true' } });
      expect(JSON.parse(resumed.stdout) as RunOutcome).to.deep.include({ status: 'completed', records: 2, runId: id });
      expect(resumed.code).to.equal(0);
    });
  }

  for (const how of ['exit-code', 'exit-listener']) {
    it(`has no influence on the exit code of a completed run: ${how}`, async () => {
      await using server = await openScriptedWebDriver();
      using output = makeFolder();
      const { code, stdout } = await runCli([
        'run',
        ACTION,
        '--how',
        how,
        '--grid',
        server.url,
        '--output',
        output.path,
      ]);
      expect(stdout).to.match(/^ends-program completed after/);
      expect(code).to.equal(0);
    });
  }

  it('is refused with the location if it does so while it is loaded', async () => {
    using folder = makeFolder({ 'mine.mjs': '\nprocess.exit(0);\n' });
    const { code, stderr } = await runCli(['run', './mine.mjs'], { cwd: folder.path });
    expect(stderr).to.match(/error: process\.exit\(0\) was called at mine\.mjs:2:9/);
    expect(code).to.equal(2);
  });

  it('leaves no browser, no driver and no folder behind', async () => {
    using output = makeFolder();
    const before = leftovers();
    const { code } = await runCli(['run', ACTION, '--how', 'exit', '--output', output.path]);
    expect(code).to.equal(1);
    const { processes, folders } = newLeftovers(before);
    expect(folders).to.deep.equal([]);
    await waitUntilGone(processes.map(({ pid }) => pid));
  });
});
