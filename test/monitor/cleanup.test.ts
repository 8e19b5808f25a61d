import { expect } from 'chai';

import type { SettingName } from '../../src/config/config.ts';
import { makeLog } from '../../src/core/log.ts';
import { thisProcess } from '../../src/driver/driver.ts';
import { Jobs } from '../../src/monitor/jobs.ts';
import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { insertSession, rawSql } from '../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../support/registries.ts';
import { useEmptyRegistry } from './support/empty-registry.ts';
import { monitorConfig, openMonitor } from './support/opened-monitor.ts';
import { minutesAgo } from './support/rows.ts';

const HOUR_MS = 3_600_000;
/** Settings with which the clean-up runs many times a second. */
const FREQUENT_CLEANUPS = {
  SESSION_CLEANUP_ENABLED: 'true',
  SESSION_CLEANUP_INTERVAL_MINUTES: '0.0005',
  // A session that is not renewed for two intervals is closed.
  HEARTBEAT_INTERVAL_SECONDS: '0.01',
};

interface Line {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

describeOnSqliteAndInFullOnPostgres('The clean-up of a monitor', (registries) => {
  const empty = useEmptyRegistry(registries);
  let url: string;
  let registry: Registry;

  beforeEach(() => ({ url, registry } = empty));

  const insert = (id: string, values: Record<string, string | number | null>) =>
    rawSql(url, insertSession({ id, owner: `owner of ${id}`, ...values }));
  const insertOver = (id: string, status: string, hours: number) =>
    insert(id, { status, created_at: minutesAgo(hours * 60 + 5), ended_at: minutesAgo(hours * 60) });
  const statuses = async () =>
    Object.fromEntries((await registry.sessions.list()).map(({ id, status }) => [id, status]));
  const isGone = async (id: string) => (await rawSql(url, `select id from sessions where id = '${id}'`)).length === 0;
  /** The audit entries of the clean-ups, oldest first. */
  const audited = async () =>
    (await rawSql(url, "select data from events where type = 'cleanup' order by id")).map(
      ({ data }) => JSON.parse(String(data)) as { what: string; removed: number; durationMs: number; errors: string[] },
    );
  const parse = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Line);
  const cleanedBy = (lines: readonly string[]) =>
    parse(lines).filter(({ message }) => message === 'Cleaned up sessions by policy');

  /** Runs the jobs of a leader until the end of `work`. */
  const whileLeading = async (
    settings: Partial<Record<SettingName, string>>,
    work: (lines: readonly string[]) => Promise<unknown>,
  ) => {
    const lines: string[] = [];
    const log = makeLog({ level: 'debug', format: 'json', write: (line) => void lines.push(line) });
    const config = monitorConfig(url, settings);
    // The jobs need their own connection, so that no other statement of this thread gets into their transactions.
    await using own = await openRegistry(url);
    const jobs = new Jobs({
      registry: own,
      config,
      sweeper: {
        host: thisProcess().host,
        gridUrl: undefined,
        thresholds: { warningMs: config.warningThresholdMs, timeoutMs: config.sessionTimeoutMs },
        heartbeatIntervalMs: config.heartbeatIntervalMs,
        isAutoTimeoutEnabled: true,
        pausedSince: () => 0,
        log,
      },
      limits: { maxLongRunning: 3, maxMemoryBytes: config.maxMemoryBytes, commandLine: (command) => command },
      sinks: [],
      log,
    });
    jobs.start();
    try {
      await work(lines);
    } finally {
      await jobs.stop();
      jobs.close();
    }
    return lines;
  };

  it('repeatedly removes ended rows by age, never live ones, and reports each round and the statistics (R402, R407, R411, R503, R504)', async () => {
    const { host, pid, identity } = thisProcess();
    for (const status of ['dead', 'timed_out'])
      for (const hours of [0.9, 1.1, 25]) await insertOver(`${status} ${hours}`, status, hours);
    for (const status of ['ended', 'expired'])
      for (const hours of [5.9, 6.1, 25]) await insertOver(`${status} ${hours}`, status, hours);
    const old = { created_at: minutesAgo(2_900), last_used_at: minutesAgo(2_900) };
    const lapsed = { ...old, lease_expires_ms: Date.now() - HOUR_MS };
    await insert('lives', { ...old, status: 'active', lease_expires_ms: Date.now() + HOUR_MS });
    await insert('starts', { ...old, status: 'starting', lease_expires_ms: Date.now() + HOUR_MS });
    await insert('left', { ...lapsed, status: 'active' });
    await insert('sleeps', { ...lapsed, status: 'active', host, pid, process_identity: identity });
    await insert('damaged', { ...lapsed, status: 'active', data: 'no json', host, pid, process_identity: identity });
    const said = await whileLeading(FREQUENT_CLEANUPS, async () => {
      await eventually(async () => (await audited()).length >= 3, 'three rounds');
      expect(await statuses()).to.deep.equal({
        'dead 0.9': 'dead',
        'timed_out 0.9': 'timed_out',
        'ended 5.9': 'ended',
        'expired 5.9': 'expired',
        lives: 'active',
        starts: 'starting',
        left: 'expired',
        sleeps: 'active',
        damaged: 'dead',
      });
      await insertOver('later', 'dead', 2);
      await eventually(() => isGone('later'), 'the next round');
    });
    const rounds = await audited();
    expect(rounds[0]).to.include({ what: 'sessions by policy', removed: 10 }).and.deep.include({ errors: [] });
    expect(rounds.map(({ removed }) => removed).filter((removed) => removed > 0)).to.deep.equal([10, 1]);
    const lines = cleanedBy(said);
    expect(lines.map(({ removed }) => removed)).to.deep.equal(rounds.map(({ removed }) => removed));
    expect(lines[0]).to.deep.include({ level: 'info', errors: [] });
    for (const field of ['durationMs', 'freedBytes'] as const) expect(lines[0]![field]).to.be.a('number').and.least(0);
    const { cleanups } = await registry.metrics.read();
    expect(cleanups).to.include({ runs: rounds.length, removed: 11, failures: 0 });
    const statistics = parse(said).filter(({ message }) => message === 'Sessions');
    expect(statistics).to.have.length(rounds.length);
    expect(statistics[0]).to.include({ total: 9 });
    expect(statistics[0]!['byStatus']).to.include({ active: 2, starting: 1, dead: 2, expired: 2, ended: 1 });
  });

  it('is switched off by SESSION_CLEANUP_ENABLED=false (R413)', async () => {
    await insertOver('dead', 'dead', 2);
    const settings = { ...FREQUENT_CLEANUPS, SESSION_CLEANUP_ENABLED: 'false', SESSION_MAX_MEMORY_MB: '1' };
    // The monitor's memory exceeds this limit. The first check of alerts reports it, and begins after a first clean-up would begin.
    await whileLeading(settings, () =>
      eventually(async () => (await registry.alerts.list()).length > 0, 'the first check'),
    );
    expect(await statuses()).to.deep.equal({ dead: 'dead' });
    expect(await audited()).to.deep.equal([]);
  });

  it('is run by one of several monitors (R402)', async () => {
    const monitors = await Promise.all([openMonitor(url, FREQUENT_CLEANUPS), openMonitor(url, FREQUENT_CLEANUPS)]);
    try {
      await eventually(async () => (await audited()).length >= 5, 'five rounds');
    } finally {
      await Promise.all(monitors.map((monitor) => monitor.close()));
    }
    const counts = monitors.map(({ lines }) => cleanedBy(lines).length).toSorted((a, b) => a - b);
    expect(counts).to.deep.equal([0, (await audited()).length]);
  });

  it('continues if a row can’t be removed, counts and reports that, and removes it later (R401, R410, R412)', async () => {
    await insertOver('resists', 'dead', 2);
    for (const hours of [1.5, 3]) await insertOver(`dead ${hours}`, 'dead', hours);
    await insertOver('ended', 'ended', 7);
    await insert('left', { status: 'active', lease_expires_ms: Date.now() - HOUR_MS });
    await refuseRemoval(url, 'resists');
    const settings = { ...FREQUENT_CLEANUPS, HEALTH_CHECK_ENABLED: 'true', SESSION_HEALTH_CHECK_INTERVAL: '0.03' };
    const alertOf = async (rule: string) => (await registry.alerts.list()).find((one) => one.rule === rule);
    const lines = await whileLeading(settings, async () => {
      const alert = await eventually(() => alertOf('cleanup-failures'), 'the alert');
      expect(alert).to.include({ status: 'firing', severity: 'warning', next: 'sessions' });
      expect(alert.message).to.match(/^(\d+) of the \1 clean-ups of the last day failed/);
      await eventually(async () => (await audited()).length >= 3, 'more rounds');
      expect(await statuses()).to.deep.equal({ resists: 'dead', left: 'expired' });
      await allowRemoval(url, registries.kind);
      await eventually(() => isGone('resists'), 'its removal');
    });
    const rounds = await audited();
    const failed = rounds.filter(({ errors }) => errors.length > 0);
    // The first round, which also failed, removed the abandoned session and the ended rows.
    expect(failed[0]).to.include({ removed: 4 });
    expect(failed[0]!.errors.join()).to.contain('refused by a test');
    const { cleanups } = await registry.metrics.read();
    expect(cleanups).to.include({ runs: rounds.length, failures: failed.length, removed: 5 });
    expect(failed.length).to.be.within(3, rounds.length - 1);
    const failures = parse(lines).filter(({ message }) => message.startsWith('The clean-up failed'));
    const reasons = failures.filter(({ level }) => level === 'error').map(({ reason }) => reason);
    expect(new Set(reasons), 'each logged once').to.have.property('size', reasons.length);
    expect(failures[0]).to.have.property('reason').that.contains('refused by a test');
  });

  for (const table of ['runs', 'events'])
    it(`works again after a round in which ${table} could not be read (R402, R410)`, async () => {
      await insertOver('dead', 'dead', 2);
      await rawSql(url, `alter table ${table} rename to hidden`);
      const lines = await whileLeading(FREQUENT_CLEANUPS, async (soFar) => {
        try {
          await eventually(
            async () => soFar.filter((line) => line.includes('The clean-up failed')).length >= 3,
            'three rounds that fail',
          );
          expect(await isGone('dead'), 'what has nothing to do with it').to.equal(true);
        } finally {
          await rawSql(url, `alter table hidden rename to ${table}`);
        }
        await insertOver('later', 'dead', 2);
        await eventually(() => isGone('later'), 'the next round');
        await eventually(async () => (await audited()).at(-1)?.errors.length === 0, 'a round without an error');
      });
      expect(parse(lines).filter(({ message }) => message === 'The clean-up works again')).to.have.length(1);
    });
});

/** Makes the database refuse to remove the row of one session. */
async function refuseRemoval(url: string, id: string): Promise<void> {
  if (url.startsWith('sqlite:')) {
    await rawSql(
      url,
      `create trigger refusal before delete on sessions when old.id = '${id}'
        begin select raise(abort, 'refused by a test'); end`,
    );
    return;
  }
  await rawSql(
    url,
    `create function refuse() returns trigger language plpgsql as $$
      begin raise exception 'refused by a test'; end $$`,
  );
  await rawSql(
    url,
    `create trigger refusal before delete on sessions for each row when (old.id = '${id}') execute function refuse()`,
  );
}

async function allowRemoval(url: string, kind: 'sqlite' | 'postgres'): Promise<void> {
  await rawSql(url, kind === 'sqlite' ? 'drop trigger refusal' : 'drop function refuse cascade');
}
