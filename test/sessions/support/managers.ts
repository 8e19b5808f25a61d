/** Opens the managers of a test. Each one has its own registry connection, and therefore represents a process. */
import type { Config, SupervisorOptions } from 'webdriver-supervisor';
import { openScriptedWebDriver, type ScriptedWebDriver, type WebDriverScript } from 'webdriver-supervisor/testing';

import type { Log, LogFields } from '../../../src/core/log.ts';
import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import {
  SessionManager,
  type SessionManagerEvents,
  type SessionManagerOptions,
} from '../../../src/sessions/sessions.ts';
import { rawSql, type RawRow } from '../../support/raw-sql.ts';
import { makeTestConfig } from '../../support/scripted-run.ts';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

export interface EmittedEvent {
  readonly name: keyof SessionManagerEvents;
  readonly owner?: string;
  readonly id?: string;
  readonly removed?: number;
  readonly failed?: number;
}

export interface OpenOptions extends Partial<Omit<SessionManagerOptions, 'registry' | 'config' | 'log'>> {
  readonly config?: Partial<Config>;
  /** The registry. Default: a new connection, which is closed with the stage. */
  readonly registry?: Registry;
}

export interface OpenedManager {
  readonly manager: SessionManager;
  readonly registry: Registry;
  /** The events that the manager emitted, in order. */
  readonly events: EmittedEvent[];
  readonly lines: LogLine[];
}

const EVENTS = [
  'session:created',
  'session:reused',
  'session:lost',
  'session:ended',
  'session:evicted',
  'cleanup:done',
] as const;

/** A scripted WebDriver server and the managers that use it. Disposing shuts all of them down. */
export class Stage implements AsyncDisposable {
  readonly server: ScriptedWebDriver;
  readonly url: string;
  readonly #opened: OpenedManager[] = [];

  static async open(url: string, script: WebDriverScript = {}): Promise<Stage> {
    return new Stage(url, await openScriptedWebDriver(script));
  }

  private constructor(url: string, server: ScriptedWebDriver) {
    this.url = url;
    this.server = server;
  }

  async manager({ config, supervisor, registry: given, ...options }: OpenOptions = {}): Promise<OpenedManager> {
    const registry = given ?? (await openRegistry(this.url));
    const lines: LogLine[] = [];
    const manager = await SessionManager.open({
      ...options,
      registry,
      config: makeTestConfig(config),
      supervisor: { gridUrl: this.server.url, ...supervisor },
      log: makeLog(lines),
    });
    const events: EmittedEvent[] = [];
    for (const name of EVENTS) manager.on(name, (event: object) => void events.push({ name, ...event }));
    const opened = { manager, registry, events, lines };
    this.#opened.push(opened);
    return opened;
  }

  /** The number of requests to start a session. */
  get starts(): number {
    return this.server.requests.filter(({ method, path }) => method === 'POST' && path === '/session').length;
  }

  /** Returns an owner's rows as they are stored, the oldest first. */
  rows(owner: string): Promise<RawRow[]> {
    return rawSql(this.url, `select * from sessions where owner = '${owner}' order by token, epoch`);
  }

  async statuses(owner: string): Promise<unknown[]> {
    return (await this.rows(owner)).map(({ status }) => status);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { manager } of this.#opened) await manager.shutdown({ timeoutMs: 20_000 });
    for (const { registry } of this.#opened) await registry.close();
    await this.server.close();
  }
}

/** Ends the session as another client would, and sends a command that detects it. */
export async function die(server: ScriptedWebDriver, { supervisor }: { supervisor: Supervised }): Promise<void> {
  server.endSession(supervisor.sessionId);
  await supervisor.driver.getTitle().catch(() => undefined);
}

interface Supervised {
  readonly sessionId: string | undefined;
  readonly driver: { getTitle(): Promise<string> };
}

/** Options of a supervisor that finds deaths by itself only if a test makes it do so. */
export const QUIET: SupervisorOptions = { heartbeatIntervalMs: 3_600_000 };

function makeLog(lines: LogLine[]): Log {
  const record = (level: string) => (message: string, fields?: LogFields) =>
    void lines.push({ level, message, fields });
  const log: Log = {
    error: record('error'),
    warn: record('warn'),
    info: record('info'),
    debug: record('debug'),
    child: () => log,
  };
  return log;
}
