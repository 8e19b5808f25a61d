import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { openRegistry } from '../../src/registry/registry.ts';
import { SessionManager } from '../../src/sessions/sessions.ts';
import { eventually } from '../support/eventually.ts';
import { TestPostgres } from '../support/postgres.ts';
import { makeTestConfig } from '../support/scripted-run.ts';

const HEARTBEAT_MS = 100;

describe('Leases of sessions while the registry can’t be reached', () => {
  it('cause no death, and are renewed when the registry is back (invariant 3)', async () => {
    await using postgres = await TestPostgres.start();
    await using server = await openScriptedWebDriver();
    await using registry = await openRegistry(await postgres.createDatabase());
    const supervisor = { gridUrl: server.url, heartbeatIntervalMs: HEARTBEAT_MS };
    await using manager = await SessionManager.open({ registry, config: makeTestConfig(), supervisor });
    const session = await manager.acquire('ann');
    const { leaseExpiresMs } = (await registry.sessions.get(session.sessionId))!;
    await postgres.stop();
    const beats = server.requests.length;
    await eventually(async () => server.requests.length > beats + 10, 'ten heartbeats');
    await postgres.start();
    await eventually(
      async () => (await registry.sessions.get(session.sessionId))!.leaseExpiresMs > leaseExpiresMs,
      'a renewal',
    );
    expect(session.supervisor.state).to.equal('alive');
  }).timeout(30_000);
});
