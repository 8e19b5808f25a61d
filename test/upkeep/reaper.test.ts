import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { isAlive } from 'webdriver-supervisor/testing';

import { silentLog } from '../../src/core/log.ts';
import type { StoredSession } from '../../src/model/session.ts';
import { MEMORY_REGISTRY_URL, openRegistry } from '../../src/registry/registry.ts';
import { endLeftovers, reapForgotten } from '../../src/upkeep/upkeep.ts';
import { openForwardProxy } from '../support/forward-proxy.ts';
import { insertSession, rawSql } from '../support/raw-sql.ts';
import { describeOnSqlite } from '../support/registries.ts';

const MINUTE_MS = 60_000;

describeOnSqlite('reapForgotten', (registries) => {
  /** Starts a process that stands for a browser: the session's folder is in its environment. */
  const startBrowser = async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'wds-'));
    const child = spawn(process.execPath, ['-e', 'process.stdout.write("up"); setInterval(() => {}, 1000)'], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    await once(child.stdout, 'data');
    return { child, folder, pid: child.pid! };
  };

  it('ends the leftover browsers of ended sessions, but not those of sessions that are alive or have just ended', async () => {
    const url = await registries.url();
    await using registry = await openRegistry(url);
    const [forgotten, fresh, live] = [await startBrowser(), await startBrowser(), await startBrowser()];
    const add = (
      id: string,
      status: string,
      agoMs: number | null,
      { folder, pid }: { folder: string; pid: number },
    ) => {
      const endedAt = agoMs === null ? null : new Date(Date.now() - agoMs).toISOString();
      const columns = { id, owner: id, status, folder, driver_pid: pid, host: hostname(), ended_at: endedAt };
      return rawSql(url, insertSession(columns));
    };
    await add('forgotten', 'timed_out', MINUTE_MS, forgotten);
    await add('fresh', 'ended', 0, fresh);
    await add('live', 'active', null, live);
    await add('its last one', 'dead', MINUTE_MS, live);
    try {
      const gone = once(forgotten.child, 'exit');
      await reapForgotten({
        registry,
        host: hostname(),
        gridUrl: undefined,
        heartbeatIntervalMs: 1_000,
        log: silentLog,
      });
      await gone;
      expect(existsSync(forgotten.folder)).to.equal(false);
      for (const { pid, folder } of [fresh, live]) {
        expect(isAlive(pid)).to.equal(true);
        expect(existsSync(folder)).to.equal(true);
      }
    } finally {
      for (const { child } of [fresh, live]) {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      await rawSql(url, `update sessions set ended_at = '2020-01-01T00:00:00.000Z', status = 'ended'`);
      await reapForgotten({
        registry,
        host: hostname(),
        gridUrl: undefined,
        heartbeatIntervalMs: 1_000,
        log: silentLog,
      });
    }
  });
});

describe('endLeftovers', () => {
  it('uses the proxy for the endpoint', async () => {
    await using proxy = await openForwardProxy();
    const session = {
      host: 'elsewhere',
      driverPid: null,
      folder: null,
      endpoint: 'http://127.0.0.1:1/',
      webdriverId: 'w',
    };
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    await endLeftovers(session as StoredSession, {
      registry,
      host: hostname(),
      gridUrl: 'http://127.0.0.1:1/',
      gridRoute: { proxy: proxy.url },
      log: silentLog,
    });
    expect(proxy.requests[0]).to.equal('DELETE http://127.0.0.1:1/session/w');
  });
});
