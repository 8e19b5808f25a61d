import { expect } from 'chai';
import { spawnSync } from 'node:child_process';

import { RUN_STATUSES } from '../../../src/model/run.ts';
import { SESSION_STATUSES } from '../../../src/model/session.ts';
import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../../support/registries.ts';
import { openMonitor, type OpenedMonitor } from '../support/opened-monitor.ts';
import { parsePrometheusText, type Family } from '../support/prometheus-text.ts';
import { ageRun, startRun, startSession } from '../support/rows.ts';

const PREFIX = 'webdriver_supervisor_';
const ODD_OWNER = 'Zoë "O\'Neil" \\ C:\\new & {a="b"} № 7\n# TYPE x counter\n日本';
const DEATH_LABELS = { cause: 'browser-gone', detected_by: 'devtools', reason: 'unknown' };

/** The promised metrics: name, type, labels. */
const DESIGNED: readonly (readonly [name: string, type: string, ...labels: string[]])[] = [
  ['sessions', 'gauge', 'status'],
  ['sessions_created_total', 'counter', 'owner'],
  ['sessions_reused_total', 'counter'],
  ['session_reuse_ratio', 'gauge'],
  ['rapid_session_creates_total', 'counter'],
  ['context_loss_total', 'counter'],
  ['session_deaths_total', 'counter', 'cause', 'detected_by', 'reason'],
  ['session_death_detection_seconds', 'histogram', 'le'],
  ['session_recovery_seconds', 'histogram', 'le'],
  ['work_cancelled_total', 'counter', 'state'],
  ['runs', 'gauge', 'status'],
  ['run_steps_total', 'counter', 'status'],
  ['heartbeat_age_seconds', 'gauge', 'owner'],
  ['cleanup_runs_total', 'counter'],
  ['cleanup_removed_total', 'counter'],
  ['cleanup_failures_total', 'counter'],
  ['cleanup_last_run_timestamp_seconds', 'gauge'],
  ['cleanup_duration_seconds', 'gauge'],
  ['average_session_duration_seconds', 'gauge'],
  ['registry_size_bytes', 'gauge'],
  ['process_resident_memory_bytes', 'gauge'],
];
const DEATH = {
  cause: 'browser-gone',
  detectedBy: 'devtools',
  message: 'gone',
  detectedAfterMs: 300,
  cancelled: { queued: 3, inFlight: 2, refused: 0 },
};

type Families = ReadonlyMap<string, Family>;

describeOnSqliteAndInFullOnPostgres('Monitor: metrics for Prometheus', (registries) => {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;
  let quiet: OpenedMonitor;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
    await fill(registry, url);
    monitor = await openMonitor(url);
    quiet = await openMonitor(url, { METRICS_OWNER_LABEL: 'false' });
  });

  after(async () => {
    await Promise.all([monitor.close(), quiet.close()]);
    await registry.close();
  });

  const scrape = async (from = monitor): Promise<{ text: string; families: Families }> => {
    const { status, headers, text } = await from.ask('/metrics');
    expect(status).to.equal(200);
    expect(headers['content-type']).to.equal('text/plain; version=0.0.4; charset=utf-8');
    return { text, families: parsePrometheusText(text) };
  };
  const valueOf = (families: Families, name: string, labels: Record<string, string> = {}): number | undefined =>
    familyOf(families, name).samples.find((sample) => {
      const { le: _le, ...others } = sample.labels;
      return !sample.name.endsWith('_bucket') && JSON.stringify(others) === JSON.stringify(labels);
    })?.value;
  const countersOf = (families: Families) =>
    new Map(
      [...families.values()]
        .filter(({ type }) => type !== 'gauge')
        .flatMap(({ samples }) =>
          samples.map(({ name, labels, value }) => [`${name} ${JSON.stringify(labels)}`, value]),
        ),
    );

  it('have all promised names, types and labels, in the text format of Prometheus (R310)', async () => {
    const { families } = await scrape();
    for (const name of families.keys()) expect(name).to.match(/^webdriver_supervisor_[a-z_]+$/);
    for (const [name, type, ...labels] of DESIGNED) {
      const family = familyOf(families, name);
      expect(family.type, name).to.equal(type);
      expect(family.help, name).to.not.equal('');
      expect(family.samples, name).to.not.deep.equal([]);
      const found = new Set(family.samples.flatMap((sample) => Object.keys(sample.labels)));
      expect([...found], name).to.deep.equal(labels);
    }
  });

  it('are accepted by promtool', async function () {
    if (spawnSync('promtool', ['--version']).status !== 0) this.skip();
    const { text } = await scrape();
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect(stdout + stderr).to.equal('');
    expect(status).to.equal(0);
  });

  it('have the values of the registry', async () => {
    const { families } = await scrape();
    const stored = await registry.metrics.read();
    for (const status of SESSION_STATUSES)
      expect(valueOf(families, 'sessions', { status })).to.equal(stored.sessionsByStatus[status] ?? 0);
    for (const status of RUN_STATUSES)
      expect(valueOf(families, 'runs', { status })).to.equal(stored.runsByStatus[status] ?? 0);
    expect(valueOf(families, 'session_deaths_total', DEATH_LABELS)).to.equal(1);
    expect(valueOf(families, 'work_cancelled_total', { state: 'queued' })).to.equal(3);
    expect(valueOf(families, 'work_cancelled_total', { state: 'inFlight' })).to.equal(2);
    expect(valueOf(families, 'run_steps_total', { status: 'done' })).to.equal(5);
    expect(valueOf(families, 'sessions_reused_total')).to.equal(9);
    expect(valueOf(families, 'context_loss_total')).to.equal(1);
    expect(valueOf(families, 'session_reuse_ratio')).to.equal(stored.reuseRatio);
    expect(valueOf(families, 'cleanup_runs_total')).to.equal(2);
    expect(valueOf(families, 'cleanup_removed_total')).to.equal(7);
    expect(valueOf(families, 'cleanup_failures_total')).to.equal(1);
    expect(valueOf(families, 'cleanup_duration_seconds')).to.equal(0.25);
    const at = Date.parse(stored.cleanups.lastAt ?? '') / 1_000;
    expect(valueOf(families, 'cleanup_last_run_timestamp_seconds')).to.equal(at);
    expect(valueOf(families, 'registry_up')).to.equal(1);
    expect(valueOf(families, 'stuck_sessions')).to.equal(1);
    expect(valueOf(families, 'processing_sessions')).to.equal(2);
    const detection = familyOf(families, 'session_death_detection_seconds').samples;
    const bucket = (le: string) => detection.find(({ labels }) => labels['le'] === le)?.value;
    expect([bucket('0.25'), bucket('0.5'), bucket('+Inf')]).to.deep.equal([0, 1, 1]);
    expect(detection.find(({ name }) => name.endsWith('_sum'))?.value).to.equal(0.3);
  });

  it('name owners, except for those of runs without an owner of their own', async () => {
    const { families } = await scrape();
    expect(valueOf(families, 'sessions_created_total', { owner: ODD_OWNER })).to.equal(1);
    expect(valueOf(families, 'sessions_created_total', { owner: '' })).to.equal(1);
    expect(valueOf(families, 'heartbeat_age_seconds', { owner: ODD_OWNER })).to.be.within(0, 60);
    const owners = familyOf(families, 'heartbeat_age_seconds').samples.map(({ labels }) => labels['owner']);
    expect(owners).to.not.include('of its own');
  });

  it('name no owners if METRICS_OWNER_LABEL is false, and still count them', async () => {
    const { text, families } = await scrape(quiet);
    expect(text).to.not.include('Zoë').and.not.include('owner of stuck');
    for (const name of ['sessions_created_total', 'heartbeat_age_seconds'])
      expect(familyOf(families, name).samples.map(({ labels }) => labels)).to.deep.equal([{ owner: '' }]);
    const { sessionsCreated } = await registry.metrics.read();
    const all = Object.values(sessionsCreated).reduce((sum, number) => sum + number, 0);
    expect(valueOf(families, 'sessions_created_total', { owner: '' })).to.equal(all);
  });

  it('report that the registry is down, with the metrics of the monitor itself', async () => {
    await rawSql(url, 'alter table counters rename to no_counters');
    const { families } = await scrape();
    await rawSql(url, 'alter table no_counters rename to counters');
    expect(valueOf(families, 'registry_up')).to.equal(0);
    expect(valueOf(families, 'process_resident_memory_bytes')).to.be.greaterThan(1_000_000);
    expect([...families.keys()].filter((name) => name.startsWith(`${PREFIX}session`))).to.deep.equal([]);
    expect(valueOf((await scrape()).families, 'registry_up')).to.equal(1);
  });

  it('never decrease after a clean-up, and continue after a restart of the monitor', async () => {
    const before = countersOf((await scrape()).families);
    await monitor.close();
    for (const id of ['session of stuck', 'session of of its own', 'odd'])
      await registry.leases.revoke(id, { status: 'ended', message: 'the test is over' });
    const statuses = ['ended', 'dead', 'expired', 'timed_out'] as const;
    let removed = 0;
    for (const status of statuses) removed += await registry.sessions.removeEnded({ status, limit: 100 });
    expect(removed).to.be.greaterThan(3);
    for (const { id } of await registry.runs.list()) expect(await registry.runs.remove(id), id).to.equal(true);
    await registry.events.removeBefore('2999-01-01T00:00:00.000Z', { limit: 1_000 });
    monitor = await openMonitor(url);
    const { families } = await scrape();
    const after = countersOf(families);
    for (const [name, value] of before) expect(after.get(name), name).to.be.at.least(value);
    expect(valueOf(families, 'sessions', { status: 'dead' })).to.equal(0);
    expect(valueOf(families, 'run_steps_total', { status: 'done' })).to.equal(5);
  });
});

function familyOf(families: Families, name: string): Family {
  const family = families.get(PREFIX + name);
  if (family === undefined) throw new Error(`There is no metric ${PREFIX}${name}.`);
  return family;
}

/** Adds one of everything that is counted. */
async function fill(registry: Registry, url: string): Promise<void> {
  await startSession(registry, { id: 'odd', owner: ODD_OWNER });
  await startRun(registry, { id: 'of its own', owner: 'of its own' });
  await startRun(registry, { id: 'stuck' });
  await ageRun(url, 'stuck', 45);
  await startSession(registry, { id: 'dying' });
  const next = await registry.leases.succeed('dying', 'manager', { death: DEATH, nextId: 'next' });
  const facts = { webdriverId: 'w', driverPid: 2, browserPid: 3, folder: '/nowhere', endpoint: undefined };
  await registry.leases.activate(next.id, 'manager', facts);
  await registry.leases.release('next', 'manager', { status: 'ended' });
  await registry.runs.create({ id: 'over', action: 'gather', params: {}, owner: 'owner of over' });
  await registry.runs.setStatus('over', 'partial', { code: 'units-failed', message: 'one of them failed' });
  await rawSql(
    url,
    `update runs set total = 8, done = 5, failed = 1, cancelled = 1, skipped = 1, reused = 9, context_losses = 1 where id = ${literal('over')}`,
  );
  const cleanup = { what: 'sessions', durationMs: 500, errors: [] };
  await registry.metrics.recordCleanup({ ...cleanup, removed: 7 });
  await registry.metrics.recordCleanup({ ...cleanup, removed: 0, durationMs: 250, errors: ['one of them'] });
}
