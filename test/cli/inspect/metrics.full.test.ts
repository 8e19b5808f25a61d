import { expect } from 'chai';

import { judge, summarizeVerdicts } from '../../../src/cli/inspect/metrics-verdicts.ts';
import type { Registry, RegistryMetrics } from '../../../src/registry/registry.ts';
import { insertSession, rawSql } from '../../support/raw-sql.ts';
import { makeFolder, runCli, STACK_LINE, type CliResult, type Folder } from '../cli.ts';
import { useRegistryFolder } from './registry-folder.ts';

const NOTHING: RegistryMetrics = {
  sessionsCreated: {},
  sessionsReused: 0,
  reuseRatio: null,
  rapidCreates: 0,
  contextLosses: 0,
  duplicateOwners: [],
  deaths: [],
  workCancelled: {},
  stepsByStatus: {},
  deathDetection: { buckets: [], sumMs: 0, number: 0 },
  recovery: { buckets: [], sumMs: 0, number: 0 },
  sessionsByStatus: {},
  runsByStatus: {},
  averageSessionSeconds: null,
  cleanups: { runs: 0, removed: 0, failures: 0, lastAt: null },
  registryBytes: 0,
};

describe('metrics', () => {
  let folder: Folder;
  let url: string;
  let registry: Registry;

  const opened = useRegistryFolder();
  beforeEach(() => {
    ({ folder, url, registry } = opened());
  });

  const metrics = (
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<CliResult> =>
    runCli(['metrics', ...args], {
      cwd: folder.path,
      environment: { REGISTRY_URL: url, ...environment },
    });
  /** Returns a text without the terminal's line breaks within sentences. */
  const unwrap = ({ stdout }: CliResult) => stdout.replace(/\n +/g, ' ').replace(/\s+/g, ' ');

  it('verifies that no owner has more than one live session, and ends with 1 if one has (R305)', async () => {
    await rawSql(url, insertSession({ id: 'first', owner: 'ann' }));
    await rawSql(url, insertSession({ id: 'history', owner: 'ann', status: 'ended' }));
    const healthy = await metrics();
    expect(healthy.stdout)
      .to.match(/^good +duplicate owners +0$/m)
      .and.match(/\nVerdict: good: no owner has more than one/);
    expect(healthy).to.include({ code: 0, stderr: '' });

    const [index] = await rawSql(
      url,
      `select name from sqlite_master where type = 'index' and sql like '%unique%starting%'`,
    );
    await rawSql(url, `drop index ${String(index!['name'])}`);
    await rawSql(url, insertSession({ id: 'second', owner: 'ann' }));
    const [broken, json] = await Promise.all([metrics(), metrics(['--json'])]);
    expect(broken.stdout).to.match(/^bad +duplicate owners +1: ann$/m);
    expect(unwrap(broken)).to.include(
      'Verdict: bad: 1 owner with more than one live session (ann): end all but one by webdriver-supervisor sessions end <id>',
    );
    expect(JSON.parse(json.stdout)).to.deep.include({ duplicateOwners: ['ann'] });
    expect([broken.code, json.code]).to.deep.equal([1, 1]);
  });

  it('shows created, reused, rapid and lost sessions with a verdict (R306, R307), and with --json the metrics of the registry', async () => {
    await registry.metrics.count('sessions_created', { label: 'ann', by: 3 });
    await registry.metrics.count('sessions_created', { label: '', by: 2 });
    await registry.metrics.count('sessions_reused', { by: 95 });
    await registry.metrics.count('rapid_session_creates', { by: 4 });
    await registry.metrics.count('context_losses', { by: 1 });
    await registry.metrics.count('session_deaths', { label: 'browser-gone devtools', by: 2 });
    await registry.metrics.count('session_deaths', { label: 'browser-gone command', by: 1 });
    await registry.metrics.count('session_deaths', { label: 'frozen heartbeat', by: 1 });
    await registry.metrics.count('work_cancelled', { label: 'queued', by: 41 });
    await registry.metrics.count('work_cancelled', { label: 'inFlight', by: 5 });
    await registry.metrics.recordCleanup({ what: 'failed sessions', removed: 7, durationMs: 3, errors: ['no disk'] });
    await registry.runs.create({ id: 'run', action: 'gather', params: {}, owner: 'ann' });
    const ended = { status: 'ended', started_at: '2026-11-27T04:00:00.000Z', ended_at: '2026-11-27T04:01:30.000Z' };
    await rawSql(url, insertSession({ id: 'one', owner: 'ann', ...ended }));
    const [text, json] = await Promise.all([metrics(), metrics(['--json'])]);
    const rows = [
      '       sessions created  5: ann 3, runs without an owner 2',
      'good   reuse ratio       95.0 %: 95 units of work used an open session',
      'watch  rapid creates     4',
      'bad    context losses    1',
      'good   duplicate owners  0',
      'watch  deaths            4: browser-gone 3 (noticed by devtools 2, command 1), frozen 1 (noticed by heartbeat 1)',
      '       work cancelled    41 queued, 5 under way',
      '       sessions          1 ended',
      'good   runs              1 pending',
      'good   alerts            none',
      '       average session   90 s',
    ];
    for (const row of rows) expect(unwrap(text)).to.include(row.trim().replace(/\s+/g, ' '));
    expect(text.stdout).to.match(/^watch +cleanups +1 round, 7 removed, 1 failed; last \d+ s ago$/m);
    expect(unwrap(text)).to.match(
      / Verdict: bad: 1 unit of work met another session .*: report it; 4 sessions died: see webdriver-supervisor sessions list --all; .*quick succession.*; clean-ups failed: see the log\. $/,
    );
    expect(JSON.parse(json.stdout)).to.deep.equal(await registry.metrics.read());
    expect(json.stdout.split('\n')).to.have.length(2);
    expect([text.code, json.code]).to.deep.equal([0, 0]);
  });

  it('is good only if no session died, no run failed and no alert fires', async () => {
    const alert = { key: 'a', rule: 'stuck', message: 'Stuck.', next: null, owner: null, runId: null, sessionId: null };
    expect(unwrap(await metrics()))
      .to.include('Verdict: good: ')
      .and.include('no run failed, no alert fires');
    await registry.runs.create({ id: 'run', action: 'gather', params: {}, owner: 'ann' });
    await registry.runs.setStatus('run', 'timed_out', { code: 'stuck', message: 'no progress' });
    expect(unwrap(await metrics())).to.match(
      /watch runs 1 timed_out .*Verdict: watch: 1 run timed out: see webdriver-supervisor runs list --status timed_out\. $/,
    );
    await registry.alerts.raise({ ...alert, severity: 'warning' });
    expect(unwrap(await metrics())).to.include('Verdict: watch: 1 alert fires: stuck; what to do: ');
    await registry.alerts.raise({ ...alert, key: 'b', severity: 'critical' });
    expect(unwrap(await metrics()))
      .to.include('bad alerts 2 alerts fire: stuck')
      .and.include('Verdict: bad: 2 alerts fire');
  });

  it('fits into 80 and 120 columns with any names and any number of owners', async () => {
    const owners = [
      'o'.repeat(300),
      '漢字'.repeat(100),
      '\u001b[2Jcle\nar',
      ...Array.from({ length: 20 }, (_unused, n) => `owner ${n}`),
    ];
    for (const owner of owners) await registry.metrics.count('sessions_created', { label: owner, by: 2 });
    const results = await Promise.all(['80', '120'].map((COLUMNS) => metrics([], { COLUMNS })));
    results.forEach((result, index) => {
      for (const line of result.stdout.split('\n').slice(0, -2)) {
        const width = Array.from(line).reduce((sum, letter) => sum + (/[漢字]/.test(letter) ? 2 : 1), 0);
        if (!line.includes('registry ')) expect(width, line).to.be.at.most([80, 120][index]!);
      }
      expect(result.stdout).to.not.include('\u001b');
      expect(unwrap(result)).to.include('sessions created 46: ').and.include(', 13 more owners 26');
      expect(unwrap(result)).to.match(/ o+…o+ 2, /);
    });
  });

  it('judges the reuse from twenty units of work on: good from 95 %, bad under 90 % (R306)', () => {
    const reuse = (sessionsReused: number, created: number) =>
      judge({
        ...NOTHING,
        sessionsReused,
        sessionsCreated: { ann: created },
        reuseRatio: sessionsReused / (sessionsReused + created),
      }).reuse;
    expect(judge(NOTHING).reuse).to.equal('too few to judge');
    expect([reuse(18, 1), reuse(19, 1)]).to.deep.equal(['too few to judge', 'good']);
    expect([reuse(95, 5), reuse(9_499, 501), reuse(90, 10), reuse(899, 101)]).to.deep.equal([
      'good',
      'watch',
      'watch',
      'bad',
    ]);
    const many = { ...NOTHING, duplicateOwners: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] };
    expect(summarizeVerdicts(many, judge(many)))
      .to.include('7 owners')
      .and.include('(a, b, c, d, e and 2 more)');
  });

  it('prints for an empty registry how to begin, without a verdict', async () => {
    const result = await metrics();
    expect(result).to.include({ code: 0, stderr: '' });
    expect(result.stdout)
      .to.match(/^– +reuse ratio +nothing was done yet$/m)
      .and.include('No session was created yet. Begin a run:\n  webdriver-supervisor run gather-catalog --help\n');
    expect(unwrap(result)).to.include('Verdict: good: no owner has more than one live session');
  });
});

describe('A registry that can’t be used', () => {
  const UNUSABLE: readonly { title: string; url: (folder: string) => string; says: RegExp }[] = [
    {
      title: 'a file that is not a database',
      url: (folder) => `sqlite:${folder}/text`,
      says: /text: file is not a database\. .*move it away/,
    },
    {
      title: 'a folder that can’t be created',
      url: () => 'sqlite:/proc/x/y.db',
      says: /folder \/proc\/x can't be created.*REGISTRY_URL/,
    },
    {
      title: 'an unknown kind',
      url: () => 'mysql://ann:pw@host/x',
      says: /REGISTRY_URL .* must be sqlite:<file>/,
    },
  ];

  it('is reported in one message with the way out, without a password, and each command ends with 2', async () => {
    using folder = makeFolder({ text: 'This is no database, and long enough to be looked at by one.' });
    const commands = ['runs', 'sessions', 'metrics'];
    const results = await Promise.all(
      UNUSABLE.map(({ url }, index) =>
        runCli([commands[index]!, '--json'], {
          cwd: folder.path,
          environment: { REGISTRY_URL: url(folder.path) },
        }),
      ),
    );
    results.forEach(({ code, stdout, stderr }, index) => {
      const { title, says } = UNUSABLE[index]!;
      expect(stderr, title)
        .to.match(says)
        .and.match(/^error: [^\n]*\n$/)
        .and.not.match(STACK_LINE);
      expect(stderr, title).to.not.include('ann:pw');
      expect([code, stdout], title).to.deep.equal([2, '']);
    });
  });
});
