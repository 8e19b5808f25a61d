import { expect } from 'chai';

import type { StoredSession } from '../../../src/model/session.ts';
import { readFacts, type AlertFacts, type OwnFacts } from '../../../src/monitor/alerts/facts.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../../support/registries.ts';
import { useEmptyRegistry } from '../support/empty-registry.ts';
import { minutesAgo, startRun, startSession } from '../support/rows.ts';
import { QUIET } from './quiet-facts.ts';

const HOUR = 60;
const OWN: OwnFacts = { report: { processing: 0, longRunning: [], stuck: [] }, memoryBytes: 7, overdue: [] };
/** Damaged contents of a JSON column. */
const DAMAGED_JSON = ['no json', '', 'null', '5', '"text"', '[]', '{"cause":5,"isRapid":"yes","errors":"many"}'];

describeOnSqliteAndInFullOnPostgres('readFacts', (registries) => {
  const empty = useEmptyRegistry(registries);
  let url: string;
  let registry: Registry;

  beforeEach(() => ({ url, registry } = empty));

  const read = (): Promise<AlertFacts> => readFacts(registry, OWN);
  const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id).toSorted();
  const endedAgo = (table: 'runs' | 'sessions', id: string, minutes: number) =>
    rawSql(url, `update ${table} set ended_at = ${literal(minutesAgo(minutes))} where id = ${literal(id)}`);
  const ageEvents = (minutes: number) => rawSql(url, `update events set at = ${literal(minutesAgo(minutes))}`);
  /** Breaks the data of the newest event of the type. */
  const spoilLast = (type: string, data: string) =>
    rawSql(
      url,
      `update events set data = ${literal(data)} where id = (select max(id) from events where type = ${literal(type)})`,
    );
  const halt = (id: string) =>
    registry.leases.revoke(`session of ${id}`, { status: 'expired', message: 'its process (pid 7) is gone' });
  const timeOut = async (id: string) => {
    const seenAt = (await registry.runs.get(id))?.lastProgressAt ?? '';
    await registry.stuck.timeOut([{ runId: id, seenAt, message: 'no progress' }]);
  };
  const timeOutAlone = async ({ id, lastUsedAt }: StoredSession) => {
    await registry.stuck.timeOut([{ sessionId: id, seenAt: lastUsedAt, message: 'no command' }]);
  };
  const die = async (id: string, cause: string) => {
    await startSession(registry, { id });
    await registry.leases.release(id, 'manager', { status: 'dead', death: { cause, detectedBy: 'probe' } });
  };
  /** Starts two sessions of an owner, one right after the other. */
  const hurry = async (owner: string) => {
    const { id } = await startSession(registry, { id: `first of ${owner}`, owner });
    await registry.leases.release(id, 'manager', { status: 'ended' });
    await startSession(registry, { id: `second of ${owner}`, owner });
  };

  it('finds nothing in an empty registry, and passes on the monitor’s own facts', async () => {
    const overdue = [{ name: 'clean-up', byMs: 3 }];
    expect(await readFacts(registry, { ...OWN, overdue })).to.deep.equal({ ...QUIET, ...OWN, overdue });
  });

  it('finds the runs that were halted or timed out within a day and were not resumed (R205)', async () => {
    for (const id of ['halted', 'halted 23 h ago', 'halted 25 h ago', 'resumed', 'works'])
      await startRun(registry, { id });
    for (const id of ['timed out', 'timed out 25 h ago', 'timed out and resumed']) await startRun(registry, { id });
    for (const id of ['halted', 'halted 23 h ago', 'halted 25 h ago', 'resumed']) await halt(id);
    for (const id of ['timed out', 'timed out 25 h ago', 'timed out and resumed']) await timeOut(id);
    await endedAgo('runs', 'halted 23 h ago', 23 * HOUR);
    await endedAgo('runs', 'halted 25 h ago', 25 * HOUR);
    await endedAgo('runs', 'timed out 25 h ago', 25 * HOUR);
    for (const id of ['resumed', 'timed out and resumed'])
      await registry.runs.begin(id, {
        token: Date.now() + 60_000,
        process: { host: 'elsewhere', pid: 1, identity: 'two' },
      });
    for (const status of ['completed', 'failed', 'cancelled'] as const) {
      await registry.runs.create({ id: status, action: 'gather', params: {}, owner: status });
      await registry.runs.setStatus(status, status);
    }
    const { endedRuns } = await read();
    expect(idsOf(endedRuns)).to.deep.equal(['halted', 'halted 23 h ago', 'timed out']);
    expect(endedRuns.find(({ id }) => id === 'halted')?.error).to.deep.equal({
      code: 'lease-lost',
      message: 'its process (pid 7) is gone',
    });
  });

  it('finds the sessions without a run that were timed out within an hour (R205)', async () => {
    for (const id of ['now', '59 min ago', '61 min ago']) await timeOutAlone(await startSession(registry, { id }));
    await endedAgo('sessions', '59 min ago', 59);
    await endedAgo('sessions', '61 min ago', 61);
    await startRun(registry, { id: 'run' });
    await timeOut('run');
    await startSession(registry, { id: 'ended' });
    await registry.leases.release('ended', 'manager', { status: 'ended' });
    await startSession(registry, { id: 'works' });
    expect(idsOf((await read()).timedOutSessions)).to.deep.equal(['59 min ago', 'now']);
  });

  it('finds the causes of the deaths within ten minutes', async () => {
    await die('old', 'driver-exited');
    await ageEvents(11);
    await die('nine minutes ago', 'tab-crashed');
    await rawSql(url, `update events set at = ${literal(minutesAgo(9))} where session_id = 'nine minutes ago'`);
    await die('now', 'browser-exited');
    const causes = (await read()).recentDeaths.map(({ cause }) => cause);
    expect(causes).to.deep.equal(['tab-crashed', 'browser-exited']);
  });

  it('finds the owners of rapid creates within ten minutes (R306)', async () => {
    await hurry('old');
    await ageEvents(11);
    await hurry('ann');
    await startSession(registry, { id: 'alone' });
    expect((await read()).recentRapidCreates).to.deep.equal(['ann']);
  });

  it('finds the clients whose wrong tokens were reported within ten minutes', async () => {
    const report = (client: string) => registry.events.append({ type: 'wrong_tokens', data: { client } });
    await report('10.0.0.1');
    await ageEvents(11);
    await report('10.0.0.2');
    expect((await read()).wrongTokenClients).to.deep.equal(['10.0.0.2']);
  });

  it('counts the clean-ups and failed clean-ups of the last day (R412)', async () => {
    const clean = (errors: readonly string[]) =>
      registry.metrics.recordCleanup({ what: 'all sessions', removed: 1, durationMs: 1, errors });
    await clean(['too old']);
    await ageEvents(25 * HOUR);
    await clean(['refused', 'refused']);
    await rawSql(
      url,
      `update events set at = ${literal(minutesAgo(23 * HOUR))} where id = (select max(id) from events)`,
    );
    await clean([]);
    expect((await read()).cleanups).to.deep.equal({ runs: 2, failures: 1 });
  });

  it('counts live sessions and units of work, with the share of units that reused a session (R306, R412)', async () => {
    await startSession(registry, { id: 'ended' });
    await registry.leases.release('ended', 'manager', { status: 'ended' });
    await startSession(registry, { id: 'active' });
    const process = { host: 'elsewhere', pid: 1, identity: 'one' };
    await registry.leases.claim({ id: 'starting', owner: 'starting', holder: 'manager', process, leaseMs: 60_000 });
    await registry.metrics.count('sessions_reused', { by: 6 });
    expect(await read()).to.include({ activeSessions: 2, unitsOfWork: 8, reuseRatio: 0.75 });
  });

  it('ignores events with broken data and damaged rows (R514)', async () => {
    for (const [index, data] of DAMAGED_JSON.entries()) {
      await die(`death ${index}`, 'tab-crashed');
      await spoilLast('session_dead', data);
      await hurry(`owner ${index}`);
      await spoilLast('session_starting', data);
      await registry.metrics.recordCleanup({ what: 'all', removed: 0, durationMs: 0, errors: ['refused'] });
      await spoilLast('cleanup', data);
      await registry.events.append({ type: 'wrong_tokens', data: {} });
      await spoilLast('wrong_tokens', data);
    }
    for (const id of ['whole', 'damaged']) {
      await startRun(registry, { id });
      await halt(id);
      await timeOutAlone(await startSession(registry, { id: `session ${id}` }));
    }
    await rawSql(url, "update runs set params = 'no json' where id = 'damaged'");
    await rawSql(url, "update sessions set data = 'no json' where id = 'session damaged'");
    const facts = await read();
    expect(facts.recentDeaths.map(({ cause }) => cause)).to.deep.equal(DAMAGED_JSON.map(() => 'unknown'));
    expect(facts.wrongTokenClients).to.deep.equal(DAMAGED_JSON.map(() => 'unknown'));
    expect(facts.recentRapidCreates).to.deep.equal([]);
    expect(facts.cleanups).to.deep.equal({ runs: DAMAGED_JSON.length, failures: 0 });
    expect(idsOf(facts.endedRuns)).to.deep.equal(['whole']);
    expect(idsOf(facts.timedOutSessions)).to.deep.equal(['session whole']);
  });
});
