import { expect } from 'chai';

import { makeFolder, runCli, STACK_LINE } from './cli.ts';

const FAULTY = 'test/fixtures/actions/faulty.ts';

describe('run: an action that hangs', () => {
  it('is warned of, then ended as timed out, with the way out in the first line (R213)', async () => {
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
