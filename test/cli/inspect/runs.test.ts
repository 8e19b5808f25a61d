import { readFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { findById } from '../../../src/cli/inspect/registry-commands.ts';
import { renderRun } from '../../../src/cli/inspect/render-run.ts';
import { thisProcess } from '../../../src/driver/driver.ts';
import type { Registry, RunEnd, RunSnapshot } from '../../../src/registry/registry.ts';
import { eventually } from '../../support/eventually.ts';
import { rawSql } from '../../support/raw-sql.ts';
import { makeTestConfig, runScripted, type ScriptedRun } from '../../support/scripted-run.ts';
import { runCli, STACK_LINE, type CliResult, type Folder } from '../cli.ts';
import { useRegistryFolder } from './registry-folder.ts';
import { makeDeath } from '../../support/make-death.ts';

const LIVE = thisProcess();
/** A pid that another process has got since. */
const GONE = { ...LIVE, identity: LIVE.identity.replace(/[^/]*$/, '1') };
const NOTHING: RunSnapshot = {
  counts: { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 },
  display: null,
  sessions: 1,
  reused: 0,
  contextLosses: 0,
  deaths: [],
  durationMs: 0,
};

interface FilledRun {
  readonly id: string;
  readonly action?: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly snapshot?: Partial<RunSnapshot>;
  /** The end of the run; default: a process still works on it. */
  readonly end?: Partial<RunEnd>;
  readonly process?: typeof LIVE;
}

describe('runs', () => {
  let folder: Folder;
  let url: string;
  let registry: Registry;

  const opened = useRegistryFolder();
  beforeEach(() => {
    ({ folder, url, registry } = opened());
  });

  const runs = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<CliResult> =>
    runCli(['runs', ...args], {
      cwd: folder.path,
      environment: { REGISTRY_URL: url, ...environment },
    });

  const runAll = <const Commands extends readonly (readonly string[])[]>(...commands: Commands) =>
    Promise.all(commands.map((args) => runs(args))) as Promise<{ [At in keyof Commands]: CliResult }>;

  async function fill({ id, action = 'gather', options = {}, params = {}, ...given }: FilledRun): Promise<void> {
    const { snapshot = {}, end, process = LIVE } = given;
    await registry.runs.create({ id, action, params, owner: id, options });
    const run = await registry.runs.begin(id, { token: 1, process });
    const store = registry.runs.openStore(run, {
      token: 1,
      snapshot: () => ({ ...NOTHING, ...snapshot }),
      onFailure: (error) => expect.fail(error.message),
      onCancel: () => undefined,
    });
    if (end !== undefined) await store.finish({ status: 'completed', error: null, outputs: {}, ...end });
    else await store.endStep({ batch: null, key: 'first' }, { status: 'done', value: undefined, records: [] }, 0);
    await store.close();
  }

  /** Makes one run of each kind, the newest first. */
  async function fillKinds(): Promise<void> {
    const counts = { ...NOTHING.counts, total: 4, done: 3, failed: 1 };
    const death = makeDeath({ at: '2026-11-27T04:14:37.070Z' });
    await fill({ id: `20261127-000001-${'long'.repeat(60)}`, action: `gather-${'everything-'.repeat(30)}`, end: {} });
    await fill({ id: '20261127-000002-aaaaaa', action: '\u001b[31mred\nlines', end: { status: 'cancelled' } });
    await fill({
      id: '20261127-000003-bbbbbb',
      params: { url: 'http://127.0.0.1/a b', isDeep: false, pages: [1, 2], offset: '-5' },
      snapshot: { counts, deaths: [death], durationMs: 3_400, display: { done: 3, total: 4, label: 'page 3' } },
      end: { status: 'partial', error: { code: 'step-failed', message: 'Cookie: sid=secret was refused' } },
    });
    await fill({ id: '20261127-000004-cccccc', process: GONE });
    await fill({ id: '20261127-000005-dddddd', snapshot: { counts, durationMs: 90_000 } });
    await registry.runs.create({ id: '20261127-000006-eeeeee', action: 'gather', params: {}, owner: 'ann' });
  }

  it('lists the newest first, each with its result, in lines of 60, 80 and 120 columns (R501)', async () => {
    await fillKinds();
    const [small, narrow, wide, json, some] = await Promise.all([
      runs([], { COLUMNS: '60' }),
      runs([], { COLUMNS: '80' }),
      runs(['list'], { COLUMNS: '120' }),
      runs(['--json']),
      runs(['list', '--status', 'completed', '--limit', '1', '--json']),
    ]);
    for (const [columns, { stdout, stderr, code }] of [
      [80, narrow],
      [120, wide],
    ] as const) {
      expect([code, stderr]).to.deep.equal([0, '']);
      const [title = '', ...rows] = stdout.split('\n').slice(0, 7);
      for (const line of [title, ...rows]) expect(Array.from(line).length, line).to.be.at.most(columns);
      expect(title).to.match(/^ID +ACTION +STATUS +DONE +RECORDS +DEATHS +AGE +TOOK$/);
      const words = ['pending', 'processing', 'process gone', 'partial', 'cancelled', 'completed'];
      expect(rows.map((row) => words.find((word) => row.includes(`  ${word} `)))).to.deep.equal(words);
      expect(rows[3])
        .to.match(/ 3\/4 /)
        .and.match(/ +0 +1 +\d+ s +3\.4 s$/);
      expect(rows[1]).to.match(/  processing +3 +0 /);
      expect(rows[5]).to.match(/^2026[^ ]*…[^ ]*long/);
      expect(stdout).to.include('6 runs: 1 pending, 2 processing, 1 completed, 1 partial, 1 cancelled\n');
      expect(stdout).to.include('webdriver-supervisor runs show eeeeee\n');
      expect(stdout).to.match(/1 run without a process.*\n.*run gather --resume 20261127-000004-cccccc\n/);
    }
    const [title = '', ...rows] = small.stdout.split('\n').slice(0, 7);
    for (const line of [title, ...rows]) expect(Array.from(line).length, line).to.be.at.most(60);
    expect(title).to.match(/^ID +ACTION +STATUS +DONE( +RECORDS)? +DEATHS +AGE( +TOOK)?$/);
    expect(rows[3]).to.match(/^\d+…\w+ .* partial +3\/4( +0)? +1 +\d+ s( +3\.4 s)?$/);
    const stored = JSON.parse(JSON.stringify(await registry.runs.list())) as { id: string; error: object | null }[];
    const [, , , partial] = stored;
    expect(JSON.parse(json.stdout)).to.deep.equal(
      stored.map((run) => ({
        ...run,
        ...(run === partial && { error: { code: 'step-failed', message: 'Cookie: ***' } }),
        isProcessGone: run.id.endsWith('cccccc'),
      })),
    );
    expect((JSON.parse(some.stdout) as { status: string }[]).map(({ status }) => status)).to.deep.equal(['completed']);
  });

  it('shows a percentage only of a total that the action has reported, or that the end has shown', async () => {
    const counts = { ...NOTHING.counts, total: 53, done: 53 };
    const cases: readonly (FilledRun & { readonly progress: string })[] = [
      { id: 'killed', snapshot: { counts }, end: { status: 'halted' }, progress: '53 so far' },
      { id: 'counted', snapshot: { counts }, end: {}, progress: '53 of 53 (100 %)' },
      { id: 'reported', snapshot: { counts, display: { done: 10, total: 25 } }, progress: '10 of 25 (40 %)' },
      { id: 'nearly', snapshot: { display: { done: 1_999, total: 2_000 } }, progress: '1999 of 2000 (99 %)' },
      { id: 'without', snapshot: { counts, display: { done: 7, total: 0 } }, progress: '7 so far' },
      { id: 'outgrown', snapshot: { counts, display: { done: 30, total: 25 } }, progress: '30 so far' },
    ];
    for (const { progress, ...run } of cases) {
      await fill(run);
      expect(renderRun((await registry.runs.get(run.id))!), run.id).to.include(`progress  ${progress}\n`);
    }
  });

  it('shows all details of a run, found by the end or the beginning of its id, its shortened id or as the last', async () => {
    await fillKinds();
    const [byEnd, byBeginning, byBoth, last] = await runAll(
      ['show', 'bbbbbb'],
      ['show', '20261127-000004'],
      ['show', '2026…long'],
      ['show', 'last', '--json'],
    );
    expect(byEnd.stdout.split('\n').map((line) => line.trimEnd())).to.include.members([
      'id        20261127-000003-bbbbbb',
      'status    partial',
      'error     step-failed: Cookie: ***',
      "params    --url 'http://127.0.0.1/a b' --no-is-deep --pages 1 --pages 2 --offset=-5",
      'steps     4 = 3 done + 1 failed',
      'progress  3 of 4 (75 %): page 3',
      'deaths    browser-gone, noticed by devtools at 2026-11-27T04:14:37.070Z (session 1): the browser',
      '          process was ended by signal 9',
      'took      3.4 s',
      'next      webdriver-supervisor run gather --resume 20261127-000003-bbbbbb',
    ]);
    expect(byBeginning.stdout).to.include('status    processing, but its process is gone: no process works on it\n');
    expect(byBoth.stdout).to.include(`id        20261127-000001-${'long'.repeat(60)}\n`);
    expect(JSON.parse(last.stdout)).to.include({
      id: '20261127-000006-eeeeee',
      status: 'pending',
      isProcessGone: false,
    });
  });

  it('shows the paths of the report and of the recordings, if there are any', async () => {
    await fillKinds();
    const run = (await registry.runs.get('20261127-000003-bbbbbb'))!;
    const recordings = [1, 2].map((number) => ({ at: run.createdAt, file: `out/deaths/${number}/report.html` }));
    expect(renderRun(run, { report: 'out/report.html', recordings })).to.match(
      /report +out\/report\.html\nrecordings +out\/deaths\/1\/report\.html\n +out\/deaths\/2\/report\.html\n/,
    );
    expect(renderRun(run)).not.to.match(/^(recordings|report) /m);
  });

  it('accepts a unique id, beginning or end; otherwise it lists the matching ids', () => {
    const rows = ['abc-1', 'abc-12', 'xyz-abc', 'other'].map((id) => ({ id }));
    const find = (typed: string) => findById(rows, typed)?.id;
    expect(['oth', 'er', 'abc-12', 'o…r', 'x…abc'].map(find)).to.deep.equal([
      'other',
      'other',
      'abc-12',
      'other',
      'xyz-abc',
    ]);
    expect(find('nobody')).to.equal(undefined);
    // The text is the beginning of one id and the end of another, so it is ambiguous.
    expect(() => find('abc')).to.throw('"abc" fits 3: abc-1, abc-12, xyz-abc. Give more of the id.');
    expect(() => find('')).to.throw('The id is empty.');
  });

  /** Runs an action in this process until it is ended. `at` is called meanwhile. */
  async function whileWorking(at: (runId: string) => Promise<void>, run: Partial<ScriptedRun> = {}) {
    let looked: Promise<void> | undefined;
    const result = await runScripted({
      ...run,
      run: async ({ runId, signal, step, save, progress, batch }) => {
        await save({ text: 'one' }, { key: 'one' });
        await step('first', () => 1);
        progress(3, 7, 'page 3');
        const looking = at(runId);
        looked = looking;
        looking.catch(() => undefined);
        await batch(
          'pages',
          ['a', 'b'],
          async (item) => {
            if (item === 'a') return;
            const ended = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
            // A failure in `at` also ends the run.
            await Promise.race([ended, looking.then(() => ended)]);
            signal.throwIfAborted();
          },
          { key: (item) => item, concurrency: 2 },
        );
      },
      options: { registry, config: makeTestConfig(), output: false },
    });
    await looked;
    return result;
  }

  it('shows the progress of a run in another process (R515), which ends soon after a cancel', async () => {
    let seen: readonly [shown: CliResult, json: CliResult, exported: CliResult, cancelled: CliResult];
    let cancelledAt = 0;
    const { outcome, left } = await whileWorking(async (runId) => {
      await eventually(async () => {
        const run = await registry.runs.get(runId);
        return run?.display?.done === 3 && run.counts.done === 2;
      }, 'the progress in the registry');
      const looks = await runAll(['show', runId], ['show', 'last', '--json'], ['export', 'last', '--json']);
      seen = [...looks, await runs(['cancel', runId.slice(-6)])];
      cancelledAt = performance.now();
    });
    expect(performance.now() - cancelledAt).to.be.below(5_000);
    const [shown, json, exported, cancelled] = seen!;
    expect(shown.stdout).to.match(/^status +processing$/m);
    expect(shown.stdout).to.match(/^steps +3 = 2 done \+ 1 running$/m);
    expect(shown.stdout).to.match(/^progress +3 of 7 \(42 %\): page 3$/m);
    expect(shown.stdout).to.match(new RegExp(`^process +${LIVE.host}:${LIVE.pid}$`, 'm'));
    expect(shown.stdout).to.include(`next      webdriver-supervisor runs cancel ${outcome.runId}\n`);
    const { display, counts } = JSON.parse(json.stdout) as { display: object; counts: object };
    expect(display).to.deep.equal({ done: 3, total: 7, label: 'page 3' });
    expect(counts).to.include({ total: 3, done: 2, running: 1 });
    expect(JSON.parse(exported.stdout)).to.include({ status: 'processing', records: 1 });
    expect(cancelled.stdout).to.include(`The run ${outcome.runId} is asked to end; its process (pid ${LIVE.pid} on`);
    expect(outcome).to.include({ status: 'cancelled', records: 1 });
    expect(left).to.equal(0);
    const after = await registry.runs.get(outcome.runId);
    expect(after).to.include({ status: 'cancelled', token: null });
    expect(after!.counts).to.include({ total: 3, done: 2, cancelled: 1 });
  });

  it('answers a cancel for a run that is working, pending, over, or left by its process', async () => {
    await fillKinds();
    const [worked, waiting, over, left, unknown] = await runAll(
      ['cancel', 'dddddd', '--json'],
      ['cancel', 'last'],
      ['cancel', 'bbbbbb'],
      ['cancel', 'cccccc'],
      ['cancel', 'ffffff', '--json'],
    );
    expect(JSON.parse(worked.stdout)).to.deep.equal({
      runId: '20261127-000005-dddddd',
      result: 'requested',
      status: 'processing',
      isProcessGone: false,
    });
    expect(await registry.runs.get('20261127-000005-dddddd')).to.include({ isCancelRequested: true });
    expect(waiting.stdout).to.include('The run 20261127-000006-eeeeee is cancelled; no process worked on it.\n');
    expect(await registry.runs.get('20261127-000006-eeeeee')).to.include({ status: 'cancelled' });
    expect(over.stdout).to.match(/^The run 20261127-000003-bbbbbb is over already: partial \d+ s ago\.\n$/);
    expect(left.stdout)
      .to.match(/^The run 20261127-000004-cccccc has no process: it was pid \d+, which is\s+gone/)
      .and.include('  webdriver-supervisor run gather --resume 20261127-000004-cccccc\n')
      .and.include('  webdriver-supervisor sessions cleanup --execute\n');
    expect([worked, waiting, over, left].map(({ code }) => code)).to.deep.equal([0, 0, 0, 0]);
    expect(unknown).to.include({ code: 1, stdout: '' });
    expect(unknown.stderr).to.match(/^error: There is no run "ffffff" in the registry [^\n]*\n$/);
  });

  it('exports the records in the registry in both formats, one file per dataset, also of a working run', async () => {
    const output = path.join(folder.path, 'own');
    await fill({ id: 'first-run', options: { output, format: 'csv' }, end: {} });
    await registry.runs.create({ id: 'other-run', action: 'gather', params: {}, owner: 'ann' });
    const records = Array.from({ length: 1_500 }, (_unused, number) => ({
      key: `${number}`,
      record: { name: `=n "${number}",\nü`, number },
    }));
    await registry.runs.setRecords('first-run', records);
    await registry.runs.saveRecord('first-run', { page: 1 }, { key: 'p', dataset: 'pages' });
    const [own, asked, none, refused, wrong] = await runAll(
      ['export', 'first'],
      ['export', 'first', '--format', 'jsonl', '--output', 'asked', '--json'],
      ['export', 'other'],
      ['export', 'first', '--output', '/proc/x'],
      ['export', 'first', '--format', 'cvs'],
    );
    const read = (...names: string[]) => readFileSync(path.join(folder.path, ...names), 'utf8');
    expect(JSON.parse(asked.stdout)).to.deep.equal({
      runId: 'first-run',
      status: 'completed',
      records: 1_501,
      outputs: { records: path.join('asked', 'records.jsonl'), pages: path.join('asked', 'pages.jsonl') },
    });
    expect(read('asked', 'records.jsonl')).to.equal(
      records.map(({ record }) => `${JSON.stringify(record)}\n`).join(''),
    );
    expect(read('asked', 'pages.jsonl')).to.equal('{"page":1}\n');
    const rows = records.map(({ record }) => `"'=n ""${record.number}"",\nü",${record.number}\r\n`);
    expect(read('own', 'records.csv')).to.equal(`name,number\r\n${rows.join('')}`);
    expect(own.stdout).to.include('1501 records of gather, run first-run.\n');
    expect(own.stdout)
      .to.include(`  ${path.join(output, 'records.csv')}\n`)
      .and.include('pages.csv (pages)\n');
    expect(own.stdout).to.include(`Look: head -n 3 ${path.join(output, 'records.csv')}\n`);
    expect(none).to.include({ code: 0, stdout: 'The run other-run has no records so far; nothing is written.\n' });
    expect(refused.stderr).to.match(/^error: The output folder \/proc\/x can't be written to: .*--output\.\n$/);
    expect(wrong.stderr).to.equal(
      'error: --format is "cvs"; it must be one of jsonl, jsonl.gz, csv. Did you mean csv?\n',
    );
    expect([refused.code, wrong.code]).to.deep.equal([2, 2]);
  });

  it('prints for an empty registry how to begin, and that there is nothing to show', async () => {
    const [list, last] = await runAll([], ['show', 'last']);
    expect(list).to.deep.equal({
      code: 0,
      stdout: 'No runs yet. Begin one:\n  webdriver-supervisor run gather-catalog --help\n',
      stderr: '',
    });
    expect(last).to.include({ code: 1, stdout: '' });
    expect(last.stderr).to.match(/^error: There are no runs in the registry .*registry\.db yet\. Begin one: .*\n$/);
  });

  it('names a damaged row, and lists the other runs', async () => {
    await fillKinds();
    await rawSql(url, `update runs set deaths = 'no json' where id like '%-aaaaaa'`);
    const [list, beside, itself] = await runAll(
      [],
      ['show', '20261127-000003-bbbbbb'],
      ['show', '20261127-000002-aaaaaa'],
    );
    expect(list.stdout).to.match(/^Not shown, because the row is damaged: 20261127-000002-aaaaaa\.$/m);
    expect(list.code).to.equal(0);
    expect(beside.stdout).to.match(/^status +partial$/m);
    expect(itself.stderr).to.match(/^error: The registry's row of run 20261127-000002-aaaaaa is damaged\..*\n$/);
    expect(itself.code).to.equal(2);
  });

  it('prints a problem and the way out in one message, and ends with 1 for a missing run, with 2 for wrong input', async () => {
    await fillKinds();
    const [typo, several, status, limit, word, missing] = await runAll(
      ['show', 'bbbbbc'],
      ['show', '20261127-00000'],
      ['--status', 'complted'],
      ['list', '--limit', '0'],
      ['shwo', 'last'],
      ['cancel'],
    );
    expect(typo.stderr).to.match(/There is no run "bbbbbc" in .* Did you mean bbbbbb\? Known: \S+ runs\n$/);
    expect(typo.code).to.equal(1);
    expect(several.stderr).to.match(
      /^error: "20261127-00000" fits 6: .*-eeeeee, .* and 1 more\. Give more of the id\.\n$/,
    );
    expect(status.stderr).to.match(/--status is "complted"; it must be one of pending, .* Did you mean completed\?\n$/);
    expect(limit.stderr).to.equal('error: --limit is "0"; it must be a whole number of at least 1.\n');
    expect(word.stderr).to.match(
      /no command "shwo".* list, show, export, cancel\. Did you mean show\? See \S+ runs --help\n$/,
    );
    expect(missing.stderr).to.match(/^error: missing required argument 'id'\n.*--help/);
    expect([several, status, limit, word, missing].map(({ code }) => code)).to.deep.equal([2, 2, 2, 2, 2]);
    for (const { stdout, stderr } of [typo, several, status, limit, word, missing]) {
      expect(stdout).to.equal('');
      expect(stderr).to.not.match(STACK_LINE);
    }
  });
});
