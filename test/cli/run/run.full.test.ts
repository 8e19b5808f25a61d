import { expect } from 'chai';

import { makeFolder, openSite, runCli, STACK_LINE } from '../cli.ts';

const FAULTY = 'test/fixtures/actions/faulty.ts';

describe('run: an action that hangs', () => {
  it('gets a warning, then ends as timed out, with the way out in the first line (R213)', async () => {
    using output = makeFolder();
    const { code, stdout, stderr } = await runCli(['run', FAULTY, '--how', 'never-ends', '--output', output.path], {
      environment: { SESSION_TIMEOUT_MINUTES: '0.05' },
    });
    expect(stderr).to.match(/No progress for 1 s; after 3 s the run is ended as timed out\./);
    expect(stdout).to.match(
      /^run-timed-out: The run made no progress for 3 s and was ended\. .*SESSION_TIMEOUT_MINUTES.*\(test\/fixtures\/actions\/faulty\.ts:\d+:\d+\)\n/,
    );
    expect(stdout + stderr).to.not.match(STACK_LINE);
    expect(code).to.equal(5);
  });
});

describe('run: an action that fails', () => {
  const FAILURES = [
    { how: 'throw', code: 1, first: /^error: the shelf is empty \(test\/fixtures\/actions\/faulty\.ts:\d+:\d+\)$/ },
    { how: 'stray-rejection', code: 1, first: /^action-error: .*missing `await`.*: nobody listens \(test.*:\d+\)$/ },
    { how: 'stray-error', code: 1, first: /^action-error: .*not caught.*: nobody catches \(test.*:\d+\)$/ },
    { how: 'no-json', code: 1, first: /^action-error: The value of the step "map" can't be stored: prices is a Map\./ },
    { how: 'same-key', code: 1, first: /^action-error: The step "one" is used twice/ },
  ];
  for (const { how, code: expected, first } of FAILURES) {
    it(`ends with the reason in the first line: ${how}`, async () => {
      using output = makeFolder();
      const { code, stdout, stderr } = await runCli(['run', FAULTY, '--how', how, '--output', output.path]);
      expect(stdout.split('\n')[0]).to.match(first);
      expect(stdout + stderr).to.not.match(STACK_LINE);
      expect(code).to.equal(expected);
    });
  }
});

describe('run', () => {
  it('ends even if the action left a timer', async () => {
    using output = makeFolder();
    const { code } = await runCli(['run', FAULTY, '--how', 'lingers', '--output', output.path]);
    expect(code).to.equal(0);
  });

  it('runs an action by its name, first from the folder of the working directory', async () => {
    using folder = makeFolder();
    await runCli(['new', 'smoke'], { cwd: folder.path });
    await using site = await openSite();
    const { code, stdout } = await runCli(['run', 'smoke', '--url', site.url], { cwd: folder.path });
    expect(stdout).to.match(/^smoke completed after [\d.]+ s: 1 record,/);
    expect(code).to.equal(0);
  });
});
