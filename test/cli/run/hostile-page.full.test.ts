import { expect } from 'chai';

import { makeFolder, runCli, type CliOptions, type Folder } from '../cli.ts';

const ACTION = 'test/fixtures/actions/hostile.ts';
const PASSWORD = 'tr0ub4dor-and-3';
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;
const FORGED = /^(error: forged|\{"level":"error","message":"forged")/m;

describe('The text of a hostile page', function () {
  this.timeout(60_000);
  let folder: Folder;
  let options: CliOptions;
  let printed: string;

  before(async () => {
    folder = makeFolder();
    options = { environment: { REGISTRY_URL: `sqlite:${folder.path}/registry.db` } };
    const args = ['run', ACTION, '--password', PASSWORD, '--output', folder.path, '--verbose'];
    const { code, stdout, stderr } = await runCli(args, options);
    expect(code).to.equal(1);
    printed = stdout + stderr;
  });

  after(() => folder[Symbol.dispose]());

  it('reaches neither the terminal nor a separate line of the log', () => {
    expect(printed).to.contain('forged').and.to.contain('unexpected alert open');
    expect(printed).to.not.match(UNSAFE);
    expect(printed).to.not.match(FORGED);
    expect(printed).to.not.contain(PASSWORD);
  });

  for (const args of [
    ['runs'],
    ['runs', 'show', 'last'],
    ['runs', 'show', 'last', '--json'],
    ['sessions', 'list', '--all'],
    ['health'],
  ]) {
    it(`does not reach the terminal by ${args.join(' ')}`, async () => {
      const { stdout, stderr } = await runCli(args, options);
      expect(stdout).to.not.equal('');
      expect(stdout + stderr).to.not.match(UNSAFE);
      expect(stdout + stderr).to.not.match(FORGED);
      expect(stdout + stderr).to.not.contain(PASSWORD);
    });
  }
});
