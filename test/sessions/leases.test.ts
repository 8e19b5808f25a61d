import { expect } from 'chai';
import { freeze, openScriptedWebDriver, unfreeze, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { SessionBusyError, SessionManager } from '../../src/sessions/sessions.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../support/registries.ts';
import { rawSql } from '../support/raw-sql.ts';
import { rejectionOf } from '../support/rejection.ts';
import { makeTestConfig } from '../support/scripted-run.ts';
import { Holder } from './support/holder.ts';

const HEARTBEAT_MS = 100;

describeOnSqliteAndInFullOnPostgres('Leases of sessions', (registries) => {
  let registryUrl: string;
  let registry: Registry;
  let server: ScriptedWebDriver;
  let manager: SessionManager;

  beforeEach(async () => {
    registryUrl = await registries.url();
    server = await openScriptedWebDriver();
    registry = await openRegistry(registryUrl);
    const supervisor = { gridUrl: server.url, heartbeatIntervalMs: HEARTBEAT_MS };
    manager = await SessionManager.open({ registry, config: makeTestConfig(), supervisor });
  });

  afterEach(async () => {
    await manager.shutdown();
    await registry.close();
    await server.close();
  });

  const leaseOf = async (id: string) => (await registry.sessions.get(id))?.leaseExpiresMs ?? 0;

  it('are renewed by one statement per tick, however many sessions there are', async () => {
    const sessions = await Promise.all(
      Array.from({ length: 30 }, (_unused, index) => manager.acquire(`owner ${index}`)),
    );
    const renew = registry.leases.renew.bind(registry.leases);
    const sizes: number[] = [];
    registry.leases.renew = (holder, renewals, leaseMs) => (
      sizes.push(renewals.length),
      renew(holder, renewals, leaseMs)
    );
    const before = await Promise.all(sessions.map(({ sessionId }) => leaseOf(sessionId)));
    await eventually(async () => sizes.length >= 3, 'three renewals');
    const after = await Promise.all(sessions.map(({ sessionId }) => leaseOf(sessionId)));
    expect(new Set(sizes)).to.deep.equal(new Set([30]));
    after.forEach((lease, index) => expect(lease).to.be.greaterThan(before[index]!));
    expect(sessions.every(({ supervisor }) => supervisor.state === 'alive')).to.equal(true);
  });

  it('are lost by a process that was suspended until they expired: it halts with lease-lost, and can’t restart', async () => {
    const order = { registryUrl, owner: 'ann', gridUrl: server.url, heartbeatIntervalMs: HEARTBEAT_MS };
    await using holder = Holder.start(order);
    const { got } = await holder.nextOf('got');
    await freeze(holder.pid);
    const taken = await manager.acquire('ann', { waitMs: 10_000 });
    expect(await registry.sessions.get(got[0]!)).to.include({ status: 'expired' });
    unfreeze(holder.pid);
    expect(await holder.nextOf('death')).to.deep.equal({ death: { cause: 'lease-lost', detectedBy: 'registry' } });
    expect(await holder.nextOf('restart')).to.deep.equal({ restart: 'lease-lost' });
    expect(taken.supervisor.state).to.equal('alive');
    expect(await registry.sessions.get(taken.sessionId)).to.include({ status: 'active' });
  }).timeout(30_000);

  it('are verified before anything is sent: a process that wakes after another one took over sends nothing', async () => {
    const asks = `${server.url}/asked`;
    const order = { registryUrl, owner: 'ann', gridUrl: server.url, heartbeatIntervalMs: HEARTBEAT_MS, asks };
    await using holder = Holder.start(order);
    await holder.nextOf('got');
    await server.waitForRequest('GET /title', { count: 3 });
    await freeze(holder.pid);
    await using taken = await manager.acquire('ann', { waitMs: 10_000 });
    const before = server.requests.length;
    const mine = server.requestsFor(taken.supervisor.sessionId!).length;
    unfreeze(holder.pid);
    await holder.nextOf('death');
    await holder.nextOf('restart');
    const later = server.requests.slice(before).filter(({ sessionId }) => sessionId !== taken.supervisor.sessionId);
    expect(later.filter(({ method, path }) => method !== 'DELETE' && path !== '/status')).to.deep.equal([]);
    expect(server.requestsFor(taken.supervisor.sessionId!).length).to.be.at.least(mine);
  }).timeout(30_000);

  it('stay with a process whose lease seems to have expired by another clock, as long as it renews it', async () => {
    const session = await manager.acquire('ann');
    await using rivals = await SessionManager.open({
      registry,
      config: makeTestConfig(),
      supervisor: { gridUrl: server.url, heartbeatIntervalMs: HEARTBEAT_MS * 5 },
    });
    await rawSql(registryUrl, 'update sessions set lease_expires_ms = 1');
    expect(await rejectionOf(rivals.acquire('ann'))).to.be.instanceOf(SessionBusyError);
    expect(session.supervisor.state).to.equal('alive');
    expect(await registry.sessions.get(session.sessionId)).to.include({ status: 'active' });
  });

  it('are not lost by a process that is suspended for a shorter time than they last', async () => {
    const order = { registryUrl, owner: 'ann', gridUrl: server.url, heartbeatIntervalMs: 1_000 };
    await using holder = Holder.start(order);
    const { got } = await holder.nextOf('got');
    const before = await leaseOf(got[0]!);
    await freeze(holder.pid);
    unfreeze(holder.pid);
    await eventually(async () => (await leaseOf(got[0]!)) > before, 'a renewal');
    expect(await registry.sessions.get(got[0]!)).to.include({ status: 'active' });
    await holder.end('SIGTERM');
  }).timeout(30_000);

  it('that a monitor revokes for lack of progress cause a death with the cause timed_out', async () => {
    const session = await manager.acquire('ann');
    const { supervisor, sessionId } = session;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    supervisor.on('session:dead', ({ death }) => resolve(death));
    await registry.leases.revoke(sessionId, { status: 'timed_out', message: 'no progress for 30 minutes' });
    expect(await promise).to.include({ cause: 'timed_out', detectedBy: 'registry' });
    expect(await session.restart().catch((error: unknown) => error)).to.have.property('code', 'lease-lost');
  });
});
