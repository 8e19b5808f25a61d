import { expect } from 'chai';

import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { numbers } from '../../support/opened-run.ts';
import { literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnSqlite } from '../../support/registries.ts';
import { openMonitor, type OpenedMonitor } from '../support/opened-monitor.ts';
import { ageRun, minutesAgo, startRun, startSession } from '../support/rows.ts';

describeOnSqlite('Monitor: the status of its health', (registries) => {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
    monitor = await openMonitor(url, { MAX_SESSIONS: '10' });
  });

  after(async () => {
    await monitor.close();
    await registry.close();
  });

  afterEach(() => rawSql(url, 'delete from sessions').then(() => rawSql(url, 'delete from runs')));

  const expectStatus = async (status: string, code: number) => {
    expect((await monitor.ask('/health/sessions')).json.status).to.equal(status);
    const health = await monitor.ask('/health');
    expect({ status: health.json.status, code: health.status }).to.deep.equal({ status, code });
    return health.json;
  };
  const startSlow = async (number: number, minutes: number) => {
    for (const index of numbers(number)) {
      await startRun(registry, { id: `run ${index}` });
      await ageRun(url, `run ${index}`, minutes);
    }
  };

  it('is healthy without sessions, and with the allowed number of long-running ones', async () => {
    expect((await expectStatus('healthy', 200)).reasons).to.deep.equal([]);
    await startSlow(3, 29.9);
    expect((await expectStatus('healthy', 200)).sessions).to.include({ long_running_sessions: 3, stuck_sessions: 0 });
  });

  it('is healthy only if no alert fires, and as bad as the worst that does', async () => {
    const alert = {
      key: 'a',
      rule: 'death-rate',
      message: 'Deaths.',
      next: null,
      owner: null,
      runId: null,
      sessionId: null,
    };
    await registry.alerts.raise({ ...alert, severity: 'warning' });
    expect((await expectStatus('warning', 200)).reasons).to.deep.equal(['1 alert fires: death-rate']);
    await registry.alerts.raise({ ...alert, key: 'b', rule: 'stuck', severity: 'critical' });
    expect((await expectStatus('critical', 503)).reasons).to.deep.equal(['2 alerts fire: death-rate, stuck']);
    for (const key of ['a', 'b']) await registry.alerts.end(key, { status: 'recovered', message: 'Over.' });
    await expectStatus('healthy', 200);
  });

  it('is a warning with one more long-running session (R206)', async () => {
    await startSlow(4, 15.1);
    expect((await expectStatus('warning', 200)).reasons).to.have.length(1);
  });

  it('does not count work below the warning threshold', async () => {
    await startSlow(4, 14.9);
    await expectStatus('healthy', 200);
  });

  it('is critical with one stuck session', async () => {
    await startSlow(1, 30.1);
    await expectStatus('critical', 503);
  });

  it('allows a run of many units more time', async () => {
    await startSlow(1, 50);
    await rawSql(url, 'update runs set total = 1000, queued = 1000');
    await expectStatus('healthy', 200);
    await ageRun(url, 'run 0', 61);
    await expectStatus('critical', 503);
  });

  it('depends on the utilisation of the fullest process', async () => {
    for (const index of numbers(6)) await startSession(registry, { id: `a ${index}`, holder: 'a' });
    for (const index of numbers(5)) await startSession(registry, { id: `b ${index}`, holder: 'b' });
    expect((await expectStatus('healthy', 200)).sessions).to.include({ active_sessions: 11, utilisation: 0.6 });
    await startSession(registry, { id: 'a 6', holder: 'a' });
    expect((await expectStatus('warning', 200)).reasons[0]).to.include('70 %');
    for (const index of [7, 8]) await startSession(registry, { id: `a ${index}`, holder: 'a' });
    expect((await expectStatus('critical', 503)).reasons[0]).to.include('90 %');
  });

  it('is a warning with more than 1 000 active sessions, however they are distributed (R405)', async () => {
    const insert = (count: number) =>
      rawSql(
        url,
        `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count})
         insert into sessions (id, owner, status, token, holder, lease_expires_ms, epoch, host, pid, process_identity, created_at, last_used_at)
         select 's' || i, 'o' || i, 'active', i, 'h' || (i / 5), 9e12, 1, 'there', 1, 'x', ${literal(minutesAgo(1))}, ${literal(minutesAgo(1))} from n`,
      );
    await insert(1_000);
    await expectStatus('healthy', 200);
    await startSession(registry, { id: 'one more' });
    expect((await expectStatus('warning', 200)).reasons).to.deep.equal(['1001 active sessions, more than 1000']);
  });
});
