import { loadConfig } from '../config/config.ts';
import { MEMORY_REGISTRY_URL, openRegistry, type Registry } from '../registry/registry.ts';
import { SessionManager, type SessionManagerEvents } from '../sessions/sessions.ts';
import type { CleanupPolicy } from '../upkeep/upkeep.ts';
import type { SupervisorOptions } from '../supervisor/supervisor.ts';
import { openScriptedWebDriver, type ScriptedWebDriver } from './scripted-webdriver.ts';

/** Short intervals of heartbeats, leases and clean-ups for fast tests. */
const HEARTBEAT_MS = 50;
const LEASE_MS = 500;
const CLEANUP_MS = 100;

export interface TestManagerOptions {
  /** Default: a registry in memory. */
  readonly registryUrl?: string;
  /** Default: sessions of a scripted server, without a browser. */
  readonly supervisor?: SupervisorOptions;
  /** Default: rows are removed at once. */
  readonly policy?: Partial<CleanupPolicy>;
}

/** A session manager for a test with its registry and its server. Disposing it ends all of them. */
export interface TestManager extends AsyncDisposable {
  readonly manager: SessionManager;
  readonly registry: Registry;
  /** The scripted server of its sessions, unless `supervisor` names another endpoint. */
  readonly server: ScriptedWebDriver;
  /** Starts the scheduler. Resolves with the result of the next clean-up. */
  nextCleanup(): Promise<SessionManagerEvents['cleanup:done']>;
}

export async function openTestManager({
  registryUrl = MEMORY_REGISTRY_URL,
  supervisor = {},
  policy = { anyHours: 0, failedHours: 0, endedHours: 0 },
}: TestManagerOptions = {}): Promise<TestManager> {
  const server = await openScriptedWebDriver();
  const registry = await openRegistry(registryUrl);
  const manager = await SessionManager.open({
    registry,
    config: loadConfig(),
    supervisor: { gridUrl: server.url, heartbeatIntervalMs: HEARTBEAT_MS, ...supervisor },
    leaseMs: LEASE_MS,
    policy,
  });
  return {
    manager,
    registry,
    server,
    nextCleanup: () => {
      const { promise, resolve } = Promise.withResolvers<SessionManagerEvents['cleanup:done']>();
      const off = manager.on('cleanup:done', (done) => {
        off();
        resolve(done);
      });
      manager.startCleanupScheduler({ intervalMinutes: CLEANUP_MS / 60_000 });
      return promise;
    },
    async [Symbol.asyncDispose]() {
      await manager.shutdown();
      await registry.close();
      await server.close();
    },
  };
}
