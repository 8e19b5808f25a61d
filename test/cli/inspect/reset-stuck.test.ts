import { expect } from 'chai';

import { literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres, describeOnSqlite } from '../../support/registries.ts';
import { STACK_LINE, type CliResult } from '../cli.ts';
import { addRun, addSession, statusesOf, useStage, widthOf } from './idle-rows.ts';

const RUN = '20261127-000001-aaaaaa';
const SESSION = '3f2a91c0-0000';

/** Returns a text without the terminal's line breaks within sentences. */
function unwrap({ stdout }: CliResult): string {
  return stdout.replace(/\s+/g, ' ');
}

describeOnSqliteAndInFullOnPostgres('reset-stuck', (registries) => {
  const stage = useStage('reset-stuck', registries);

  beforeEach(async () => {
    const { url, registry } = stage();
    await addRun(url, registry, { id: RUN, owner: 'ann', minutes: 45 });
    await addRun(url, registry, { id: 'going', minutes: 29 });
    await addRun(url, registry, { id: 'large', minutes: 45, total: 1_000 });
    await addSession(url, { id: SESSION, owner: 'bob', minutes: 130 });
    await addSession(url, { id: 'used', minutes: 1 });
  });

  it('lists what is stuck and for how long, prints how many it would reset, and changes nothing (R201)', async () => {
    const { url, registry, run: reset } = stage();
    const dump = async () => [await rawSql(url, 'select * from runs'), await rawSql(url, 'select * from sessions')];
    const before = await dump();
    const [text, json] = await Promise.all([reset(), reset(['--json'])]);
    const [title, first, second, ...rest] = text.stdout.split('\n');
    expect(title).to.match(/^OWNER +RUN +ACTION +IDLE +ALLOWED +WHERE$/);
    expect(first).to.match(/^bob +session 3f2a91c0 +– +2 h +30 min +\S+:7$/);
    expect(second).to.match(/^ann +20261127-000001-aaaaaa +gather +45 min +30 min +\S+:4711$/);
    expect(rest).to.deep.equal([
      '',
      '2 would be reset: 1 run and 1 session without a run. Finished work is stored; runs can be resumed.',
      '',
      'Nothing is changed yet. To do it:',
      '  webdriver-supervisor reset-stuck --execute',
      '',
    ]);
    const told = JSON.parse(json.stdout) as { stuck: object[] };
    expect(told).to.deep.include({
      dry_run: true,
      timeout_minutes: 30,
      count: 2,
      runs: [RUN],
      sessions: [SESSION, `of ${RUN}`],
      command: 'webdriver-supervisor reset-stuck --execute',
    });
    expect(told.stuck[1]).to.include({ id: `of ${RUN}`, owner: 'ann', run_id: RUN, action: 'gather' });
    expect([text.code, text.stderr, json.code, json.stderr]).to.deep.equal([0, '', 0, '']);
    expect(await dump()).to.deep.equal(before);
    expect((await registry.events.listLatest({ limit: 9 })).map(({ status }) => status)).to.not.include('timed_out');
  });

  it('times out stuck work with --execute, preserves its data, and prints the result and the next command (R201, R203, R213)', async () => {
    const { url, registry, run: reset } = stage();
    const result = await reset(['--execute'], { npm_lifecycle_event: 'reset-stuck' });
    expect(unwrap(result)).to.include(
      ' Reset 2: 1 run and 1 session without a run; 2 sessions ended. Finished work is stored; runs can be resumed. ' +
        `Checked again: nothing is stuck any more. Resume the run: npm run action -- gather --resume ${RUN} `,
    );
    expect(result).to.include({ code: 0, stderr: '' });
    expect(await statusesOf(registry)).to.deep.equal({
      [RUN]: 'timed_out',
      [`of ${RUN}`]: 'timed_out',
      [SESSION]: 'timed_out',
      going: 'processing',
      'of going': 'active',
      large: 'processing',
      'of large': 'active',
      used: 'active',
    });
    const run = await registry.runs.get(RUN);
    expect(run?.error).to.deep.equal({
      code: 'run-timed-out',
      message: 'no progress for 45 min, and 30 min are allowed; timed out by a person',
    });
    expect(run?.endedAt).to.be.a('string');
    expect([run?.counts.done, run?.records]).to.deep.equal([1, 1]);
    expect((await Array.fromAsync(registry.runs.listRecords(RUN))).map(({ key }) => key)).to.deep.equal(['first']);
    expect(await rawSql(url, `select key, status from steps where run_id = ${literal(RUN)}`)).to.deep.include({
      key: 'first',
      status: 'done',
    });

    const again = await reset();
    expect(unwrap(again)).to.match(/^Nothing is stuck: all work has made progress within 30 min, /);
    expect(again).to.include({ code: 0, stderr: '' });
  });
});

describeOnSqlite('reset-stuck: flags and failures', (registries) => {
  const stage = useStage('reset-stuck', registries);

  it('uses --timeout, in minutes and fractions, instead of the setting, and repeats it in the command (R201)', async () => {
    const { url, registry, run: reset } = stage();
    await addRun(url, registry, { id: 'short', minutes: 0.75 });
    await addRun(url, registry, { id: 'shorter', minutes: 0.25 });
    const environment = { SESSION_TIMEOUT_MINUTES: '60' };
    const text = await reset(['--timeout', '0.5'], environment);
    expect(text.stdout)
      .to.match(/^short +short +gather +\d\d s +30 s /m)
      .and.to.not.match(/^shorter/m);
    expect(text.stdout).to.include('  webdriver-supervisor reset-stuck --timeout 0.5 --execute\n');
    const json = await reset(['--timeout=.5', '--execute', '--json'], environment);
    expect(JSON.parse(json.stdout)).to.deep.include({
      timeout_minutes: 0.5,
      runs: ['short'],
      sessions: ['of short'],
      remaining: 0,
      resume: [{ run_id: 'short', command: 'webdriver-supervisor run gather --resume short' }],
    });
  });

  it('ends with 1 if a browser could not be ended or something stays stuck, and prints what, and the command to look (R203)', async () => {
    const { url, registry, run: reset } = stage();
    await addRun(url, registry, { id: 'one', minutes: 45, folder: '/dev/null/wds-none' });
    await addRun(url, registry, { id: 'two', minutes: 50 });
    await addRun(url, registry, { id: 'far', minutes: 40, host: 'elsewhere' });
    const resists = `before update of status on runs when new.id = 'two' begin select raise(ignore); end`;
    await rawSql(url, `create trigger resists ${resists}`);
    const { code, stdout, stderr } = await reset(['--timeout', '20', '--execute']);
    expect(unwrap({ code, stdout, stderr })).to.include(
      ' Reset 2: 2 runs; 2 sessions ended. Finished work is stored; runs can be resumed.' +
        ' 1 went on or ended in the meantime, and is not changed.' +
        ' 1 on another machine: its program notices this within seconds and ends its browser.' +
        ' 1 browser could not be ended, for the reason above: session of one.' +
        ' Checked again: 1 is stuck: 1 run. To list them: webdriver-supervisor reset-stuck --timeout 20' +
        ' Resume the runs: webdriver-supervisor run gather --resume one webdriver-supervisor run gather --resume far ',
    );
    expect(stderr).to.include('could not be ended').and.include('ENOTDIR').and.not.match(STACK_LINE);
    expect(code).to.equal(1);
    expect(await statusesOf(registry)).to.include({ one: 'timed_out', 'of one': 'timed_out', two: 'processing' });
  });

  it('fits into 80 and 120 columns with any names of owners and any number of stuck runs', async () => {
    const { url, registry, run: reset } = stage();
    const owners = ['o'.repeat(500), '漢字'.repeat(100), '\u001b[2Jcle\nar'];
    for (const [index, owner] of owners.entries())
      await addRun(url, registry, {
        id: `20261127-00000${index}-aaaaaa`,
        owner,
        action: `gather-${'everything-'.repeat(9)}`,
        minutes: 100 - index,
        host: 'worker.'.repeat(20),
      });
    for (let number = 0; number < 50; number += 1) await addSession(url, { id: `${number}`, minutes: 40 });
    const results = await Promise.all(['80', '120'].map((COLUMNS) => reset([], { COLUMNS })));
    results.forEach(({ code, stdout }, index) => {
      const lines = stdout.split('\n');
      for (const line of lines) expect(widthOf(line), line).to.be.at.most([80, 120][index]!);
      expect(stdout).to.not.include('\u001b');
      expect(lines[1]).to.match(/^o+…o+ +2026\S*aaaaaa +gath\S+ +99 min|^o+…o+ +2026\S*aaaaaa +gath\S+ +100 min/);
      expect(lines[2]).to.match(/^[漢字]+…[漢字]+ /);
      expect(lines[3]).to.match(/^ ?\[2Jcle ?ar|^ \[2J…/);
      expect(stdout)
        .to.include('\n… and 3 more; --json has all of them.\n')
        .and.include('\n53 would be reset: 3 runs and 50 sessions without a run. ');
      expect(code).to.equal(0);
    });
  });
});
