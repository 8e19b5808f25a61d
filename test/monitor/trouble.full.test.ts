import { DatabaseSync } from 'node:sqlite';

import { expect } from 'chai';
import { listProcesses } from 'webdriver-supervisor/testing';

import { eventually } from '../support/eventually.ts';
import { TestPostgres } from '../support/postgres.ts';
import { describeOnSqlite } from '../support/registries.ts';
import { askInTime, expectUnavailable, untilHealthy } from './support/availability.ts';
import { openMonitor } from './support/opened-monitor.ts';

describe('A monitor whose PostgreSQL is', () => {
  it('down at its start listens, reports the reason, and starts its jobs later', async () => {
    await using postgres = await TestPostgres.start();
    const url = await postgres.createDatabase();
    await postgres.stop();
    await using monitor = await openMonitor(url);
    await expectUnavailable(monitor, /ECONNREFUSED|not open yet/);
    const sessions = await askInTime(monitor, '/sessions');
    expect(sessions.status).to.equal(503);
    expect(sessions.json.error.code).to.equal('registry-error');
    const metrics = await askInTime(monitor, '/metrics');
    expect(metrics.text).to.contain('webdriver_supervisor_registry_up 0');
    await postgres.start();
    await untilHealthy(monitor);
    await eventually(
      async () => (await monitor.ask('/health')).json.leader.is_leader === true,
      'it becomes the leader',
    );
  }).timeout(60_000);

  it('hung answers each of many requests within 2 s, and is healthy when the database continues', async () => {
    await using postgres = await TestPostgres.start();
    await using monitor = await openMonitor(await postgres.createDatabase());
    await untilHealthy(monitor);
    process.kill(postgres.pid, 'SIGSTOP');
    const backends = stopBackends(postgres);
    try {
      await expectUnavailable(monitor, /did not answer within 1\.5 s/);
      const targets = ['/health', '/health/sessions', '/sessions', '/runs', '/metrics', '/alerts', '/timeline'];
      const crowd = Array.from({ length: 40 }, (_unused, index) => targets[index % targets.length]!);
      const answers = await Promise.all(crowd.map((target) => askInTime(monitor, target)));
      // The number of pages of rows is limited for each client, also while they wait.
      const expected = (target: string) => {
        if (target === '/metrics') return [200];
        return ['/sessions', '/runs'].includes(target) ? [503, 429] : [503];
      };
      answers.forEach(({ status }, index) => expect(status, crowd[index]).to.be.oneOf(expected(crowd[index]!)));
    } finally {
      for (const pid of [...backends, postgres.pid]) process.kill(pid, 'SIGCONT');
    }
    await untilHealthy(monitor);
  }).timeout(60_000);

  it('hung at its end stops within 25 s', async () => {
    await using postgres = await TestPostgres.start();
    await using monitor = await openMonitor(await postgres.createDatabase());
    await untilHealthy(monitor);
    process.kill(postgres.pid, 'SIGSTOP');
    const backends = stopBackends(postgres);
    try {
      const begun = performance.now();
      await monitor.close();
      expect(performance.now() - begun).to.be.below(25_000);
    } finally {
      for (const pid of [...backends, postgres.pid]) process.kill(pid, 'SIGCONT');
    }
  }).timeout(60_000);

  it('restarted recovers by itself', async () => {
    await using postgres = await TestPostgres.start();
    await using monitor = await openMonitor(await postgres.createDatabase());
    await untilHealthy(monitor);
    await postgres.stop();
    await expectUnavailable(monitor, /ECONNREFUSED|did not answer|terminat/);
    await postgres.start();
    await untilHealthy(monitor);
  }).timeout(60_000);
});

describeOnSqlite('A monitor whose SQLite file is', (registries) => {
  it('locked by another process reports that within 2 s, and recovers by itself (R215)', async () => {
    const url = await registries.url();
    await using monitor = await openMonitor(url);
    await untilHealthy(monitor);
    using other = new DatabaseSync(url.slice('sqlite:'.length));
    other.exec('begin immediate');
    await eventually(async () => (await monitor.ask('/readyz')).status === 503, 'the lock is noticed');
    await expectUnavailable(monitor, /Another program has it locked/);
    // Readable data are still shown.
    expect((await askInTime(monitor, '/sessions')).status).to.equal(200);
    other.exec('rollback');
    await untilHealthy(monitor);
  });
});

/** The server processes of the database. If they are suspended, every client waits, as with a hung machine. */
function stopBackends({ pid }: TestPostgres): readonly number[] {
  const backends = listProcesses()
    .filter(({ ppid }) => ppid === pid)
    .map((info) => info.pid);
  for (const backend of backends) process.kill(backend, 'SIGSTOP');
  return backends;
}
