import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { expect } from 'chai';

import type { ProcessIdentity } from '../../src/model/process.ts';
import type { StoredSession } from '../../src/model/session.ts';
import { thisProcess } from '../../src/driver/driver.ts';
import { readProcess } from '../../src/driver/process-table.ts';
import { Jobs } from '../../src/monitor/jobs.ts';
import { sweep, type SweeperOptions } from '../../src/monitor/sweeper.ts';
import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { literal, rawSql } from '../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../support/registries.ts';
import { useEmptyRegistry } from './support/empty-registry.ts';
import { makeRecordedLog } from './support/notices.ts';
import { monitorConfig, openMonitor } from './support/opened-monitor.ts';
import { ageRun, ageSession, startRun, startSession } from './support/rows.ts';
import { openWebhookServer } from './support/webhook-server.ts';

const MINUTE_MS = 60_000;

describeOnSqliteAndInFullOnPostgres('The check for stuck work', (registries) => {
  const empty = useEmptyRegistry(registries);
  let url: string;
  let registry: Registry;
  let options: SweeperOptions;
  let lines: readonly string[];

  beforeEach(() => {
    ({ url, registry } = empty);
    const recorded = makeRecordedLog();
    lines = recorded.lines;
    options = {
      host: thisProcess().host,
      gridUrl: undefined,
      thresholds: { warningMs: 15 * MINUTE_MS, timeoutMs: 30 * MINUTE_MS },
      heartbeatIntervalMs: 5_000,
      isAutoTimeoutEnabled: true,
      pausedSince: () => 0,
      log: recorded.log,
    };
  });

  const check = (changes: Partial<SweeperOptions> = {}) => sweep(registry, { ...options, ...changes });
  const runs = async () => Object.fromEntries((await registry.runs.list()).map(({ id, status }) => [id, status]));
  const sessions = async () =>
    Object.fromEntries((await registry.sessions.list()).map(({ id, status }) => [id, status]));
  const countOf = async (type: string) =>
    (await rawSql(url, `select id from events where type = ${literal(type)}`)).length;
  const startAged = async (id: string, minutes: number) => {
    await startRun(registry, { id });
    await ageRun(url, id, minutes);
  };
  /** Adds a session of a program on this machine, and its run. */
  const startOf = async (process: ProcessIdentity, id: string, endpoint?: string): Promise<StoredSession> => {
    const claim = { id, owner: `owner of ${id}`, holder: id, process, leaseMs: 600_000, runId: `run of ${id}` };
    const claimed = await registry.leases.claim(claim);
    if (!claimed.isClaimed) throw new Error('the owner is taken');
    const nothing = { driverPid: undefined, browserPid: undefined, folder: undefined };
    const session = await registry.leases.activate(id, id, { ...nothing, webdriverId: `webdriver of ${id}`, endpoint });
    await registry.runs.create({ id: `run of ${id}`, action: 'gather', params: {}, owner: session.owner });
    await registry.runs.begin(`run of ${id}`, { token: session.token, process });
    return session;
  };
  /** Runs the jobs of a leader until the end of `work`. */
  const whileLeading = async (
    settings: Parameters<typeof monitorConfig>[1],
    changes: Partial<SweeperOptions>,
    work: (jobs: Jobs) => Promise<unknown>,
  ) => {
    // The jobs need their own connection, so that no other statement of this thread gets into their transactions.
    await using own = await openRegistry(url);
    const jobs = new Jobs({
      registry: own,
      config: monitorConfig(url, settings),
      sweeper: { ...options, ...changes },
      // The memory alert then shows that the first check of alerts is done.
      limits: { maxLongRunning: 3, maxMemoryBytes: 1, commandLine: (command) => command },
      sinks: [],
      log: options.log,
    });
    jobs.start();
    try {
      await work(jobs);
    } finally {
      await jobs.stop();
      jobs.close();
    }
  };
  const alerts = async () => (await registry.alerts.list()).map(({ key }) => key).toSorted();
  const untilFirstCheck = () => eventually(async () => (await alerts()).includes('memory'), 'the first check');

  it('times nothing out while a heartbeat in the future shows that clocks differ, and logs that', async () => {
    await startAged('stuck', 45);
    await startRun(registry, { id: 'of another clock' });
    const future = new Date(Date.now() + 10 * MINUTE_MS).toISOString();
    await rawSql(url, `update sessions set last_heartbeat_at = ${literal(future)} where run_id = 'of another clock'`);
    await check();
    expect(await runs()).to.deep.equal({ stuck: 'processing', 'of another clock': 'processing' });
    expect(lines.join('\n')).to.match(/clock is \d+ s behind that of .*Nothing is timed out/);
    await rawSql(url, `update sessions set last_heartbeat_at = null`);
    await check();
    expect(await runs()).to.deep.equal({ stuck: 'timed_out', 'of another clock': 'processing' });
  });

  it('times out only work without progress, with the reason (R205, R214)', async () => {
    await startAged('stuck', 31);
    await startAged('long', 16);
    await startAged('fresh', 0);
    await startSession(registry, { id: 'stuck alone' });
    await ageSession(url, 'stuck alone', 31);
    await startSession(registry, { id: 'used' });
    await registry.runs.saveRecord('stuck', { a: 1 }, { key: 'a' });
    await ageRun(url, 'stuck', 31);
    await check();
    expect(await runs()).to.deep.equal({ stuck: 'timed_out', long: 'processing', fresh: 'processing' });
    expect(await sessions()).to.deep.equal({
      'session of stuck': 'timed_out',
      'session of long': 'active',
      'session of fresh': 'active',
      'stuck alone': 'timed_out',
      used: 'active',
    });
    const message = `no progress for 31 min, and 30 min are allowed; timed out by the monitor on ${options.host}`;
    expect(await registry.runs.get('stuck')).to.deep.include({ error: { code: 'run-timed-out', message }, records: 1 });
    expect((await registry.sessions.get('stuck alone'))?.errorMessage).to.match(/^no command for 31 min/);
    expect(await countOf('session_timeout')).to.equal(2);
    expect(lines).to.have.length(1);
    expect(lines[0]).to.match(/^warning: Timed out stuck runs and sessions/);
    await check();
    expect(await countOf('session_timeout')).to.equal(2);
    expect(lines).to.have.length(1);
  });

  it('does not time out stuck work if AUTO_TIMEOUT_ENABLED is false (R205)', async () => {
    await startAged('stuck', 31);
    await check({ isAutoTimeoutEnabled: false });
    expect(await runs()).to.deep.equal({ stuck: 'processing' });
    expect(lines).to.deep.equal([]);
  });

  it('does not count the time in which this machine slept, but that of another machine (R215)', async () => {
    // From here on, the run's program is on the machine of `rows.ts`.
    await startAged('run', 40);
    const asked: number[] = [];
    const pausedSince = (timeMs: number) => {
      asked.push(timeMs);
      return 20 * MINUTE_MS;
    };
    await check({ host: 'elsewhere', pausedSince });
    expect(await runs()).to.deep.equal({ run: 'processing' });
    expect(Date.now() - asked[0]!).to.be.closeTo(40 * MINUTE_MS, 5_000);
    await check({ pausedSince });
    expect(await runs()).to.deep.equal({ run: 'timed_out' });
  });

  it('ends the sessions of a dead program of this machine, and no live ones (invariant 6, R214)', async () => {
    await using program = startProgram();
    await startOf(program.identity, 'theirs');
    await startOf(thisProcess(), 'ours');
    await check();
    expect(await sessions()).to.deep.equal({ theirs: 'active', ours: 'active' });
    await program.end();
    await check();
    expect(await sessions()).to.deep.equal({ theirs: 'expired', ours: 'active' });
    expect(await runs()).to.deep.equal({ 'run of theirs': 'halted', 'run of ours': 'processing' });
    expect((await registry.runs.get('run of theirs'))?.error).to.deep.equal({
      code: 'lease-lost',
      message: `its process (pid ${program.identity.pid}) is gone`,
    });
    expect(lines.filter((line) => line.startsWith('Sessions of processes that are gone were cleared'))).to.have.length(
      1,
    );
  });

  it('does not run if HEALTH_CHECK_ENABLED is false, and raises no alerts (R205)', async () => {
    await startAged('stuck', 31);
    const settings = { HEALTH_CHECK_ENABLED: 'false', SESSION_HEALTH_CHECK_INTERVAL: '0.001' };
    await whileLeading(settings, {}, async (jobs) => {
      await untilFirstCheck();
      await jobs.stop();
      expect(jobs.lastSweepAt).to.equal(null);
    });
    expect(await runs()).to.deep.equal({ stuck: 'processing' });
    expect(await alerts()).to.deep.equal(['memory']);
  });

  it('ends before the monitor releases the leadership, and raises no alerts afterwards (R402)', async () => {
    await using grid = await openWebhookServer();
    grid.answer('never');
    await using program = startProgram();
    await startOf(program.identity, 'theirs', grid.url);
    await program.end();
    await whileLeading({ HEALTH_CHECK_ENABLED: 'true' }, { gridUrl: grid.url }, async (jobs) => {
      // The check waits for the endpoint, and the alerts so far have been raised.
      await Promise.all([grid.waitForRequest(), untilFirstCheck()]);
      await startAged('long', 16);
      let isStopped = false;
      const stopping = jobs.stop().then(() => (isStopped = true));
      await registry.runs.list();
      expect(isStopped).to.equal(false);
      await grid.close();
      await stopping;
      expect(await sessions()).to.include({ theirs: 'expired' });
      // Waits for work that may have begun since.
      await jobs.stop();
    });
    expect(await alerts()).to.deep.equal(['memory']);
  });

  it('works again after a failure, and beside a damaged row (R204, R514)', async () => {
    await startAged('damaged', 31);
    await rawSql(url, "update runs set params = 'no json' where id = 'damaged'");
    await rawSql(url, 'alter table sessions rename to hidden');
    await using monitor = await openMonitor(url, {
      HEALTH_CHECK_ENABLED: 'true',
      SESSION_HEALTH_CHECK_INTERVAL: '0.03',
    });
    const said = (text: string) => monitor.lines.filter((line) => line.includes(text));
    const failures = () => said('The check for stuck work failed');
    try {
      await eventually(async () => failures().length >= 3, 'checks that fail');
    } finally {
      await rawSql(url, 'alter table hidden rename to sessions');
    }
    await startAged('stuck', 31);
    await eventually(async () => (await runs())['stuck'] === 'timed_out', 'a check that works');
    expect(failures().filter((line) => line.includes('"level":"error"'))).to.have.length(1);
    expect(JSON.parse(failures()[0]!))
      .to.have.property('reason')
      .that.matches(/sessions/);
    await eventually(async () => said('The check for stuck work works again').length === 1, 'its log line');
    expect((await monitor.ask('/livez')).status).to.equal(200);
  });
});

/** Starts a program on this machine that lives until it is ended. */
function startProgram() {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const exit = once(child, 'exit');
  const { host, identity } = thisProcess();
  const pid = child.pid!;
  const end = async () => {
    child.stdin.end();
    await exit;
  };
  return {
    // Its host is this machine; its start time is its own.
    identity: { host, pid, identity: identity.replace(/[^/]*$/, readProcess(pid)!.startedAt) },
    end,
    [Symbol.asyncDispose]: end,
  };
}
