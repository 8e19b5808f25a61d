import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { makeFolder, runCli } from '../cli.ts';

const DEFINE = "import { defineAction, z } from 'webdriver-supervisor';\n";

/** Returns the source of an action without parameters. `run` is the body of its function. */
function makeAction(run: string, more = ''): string {
  return `${DEFINE}export default defineAction({
  name: 'mine', description: 'Mine.', params: z.object({}), ${more}
  async run({ driver, step }) { ${run} },
});\n`;
}

const GOOD = `for (const page of ['1', '2', '3']) {
  await step(page, async ({ save }) => save({ title: await driver.getTitle() }, { key: page }));
}`;
const BAD = `let title = '';
await step('first', async () => { title = await driver.getTitle(); });
await step('second', async ({ save }) => save({ title }, { key: 'title' }));`;

describe('run --rehearse', function () {
  this.timeout(30_000);

  it('ends with 0 and prints where sessions were killed if the data are the same', async () => {
    await using server = await openScriptedWebDriver();
    using folder = makeFolder({ 'mine.ts': makeAction(GOOD) });
    const args = ['run', './mine.ts', '--grid', server.url, '--rehearse=all', '--json'];
    const { code, stdout, stderr } = await runCli(args, { cwd: folder.path });
    expect(stderr).to.include('Rehearsing: the same work again');
    expect(stderr).to.match(/^The action replays well: 5 sessions killed, and the data are the same/m);
    expect(stderr).to.include('  killed     in the step "1" after its 1st command\n');
    const { rehearsal, status } = JSON.parse(stdout) as { rehearsal: object; status: string };
    expect(status).to.equal('completed');
    expect(rehearsal).to.deep.include({ kills: 5, differences: [], error: null, warnings: [], repeatedEffects: [] });
    expect(server.sessionIds).to.deep.equal([]);
    expect(code).to.equal(0);
  });

  it('ends with 1 and names the step and a likely reason if the data differ', async () => {
    await using server = await openScriptedWebDriver();
    using folder = makeFolder({ 'mine.ts': makeAction(BAD) });
    const { code, stdout } = await runCli(['run', './mine.ts', '--grid', server.url, '--rehearse'], {
      cwd: folder.path,
    });
    expect(stdout).to.match(/^The action does not replay well: /m);
    expect(stdout).to.match(
      /^ {2}different {2}Killed .* the step "first".*: the run ended as failed .* replay-diverged: .* changes `title`/m,
    );
    expect(code).to.equal(1);
  });

  it('warns before it runs an action that changes things', async () => {
    await using server = await openScriptedWebDriver();
    using folder = makeFolder({ 'mine.ts': makeAction(GOOD, "effects: 'writes',") });
    const { stderr } = await runCli(['run', './mine.ts', '--grid', server.url, '--rehearse'], { cwd: folder.path });
    expect(stderr).to.match(/mine changes things \(effects: 'writes'\), and a rehearsal does its work at least twice/);
  });
});
