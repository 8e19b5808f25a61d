/**
 * The room of whoever is on call. Its laws: all that it says can be rebuilt from the registry by another process; it never talks to a
 * supervisor; it answers within two seconds, and says so where the registry doesn't; whatever fails in it harms no run.
 */
import type { Config } from '../config/config.ts';
import { delay } from '../core/abort.ts';
import { silentLog, type Log } from '../core/log.ts';
import { thisProcess } from '../driver/driver.ts';
import { isLive, type Registry } from '../registry/registry.ts';
import { endRemains, graceFor, isAwake, resetStuck } from '../upkeep/upkeep.ts';
import type { CommandLine } from './alerts/rules.ts';
import type { Sink } from './alerts/notice.ts';
import { Duties } from './duties.ts';
import { EventFeed } from './event-feed.ts';
import type { HealthLimits } from './health.ts';
import type { OpenedServer } from './http/server.ts';
import { Office, STAND_EVERY_MS } from './office.ts';
import { Pauses } from './pauses.ts';
import { Periodic } from './periodic.ts';
import { ANSWER_LIMIT_MS, RegistryLink } from './registry-link.ts';
import { lookForStuck, type SweeperOptions } from './sweeper.ts';

export { readHealth, type HealthLimits, type HealthReport } from './health.ts';
export { toHealthView, toStuckView } from './http/views.ts';
export { lookForStuck } from './sweeper.ts';
export type { CommandLine } from './alerts/rules.ts';

const PAUSE_TICK_MS = 1_000;
/** So long the readiness says no before connections end: who balances load looks once a second or so. */
const DRAIN_MS = 1_000;
/** A proof of writing is as good as new for so long: many may ask at once. */
const PROBE_AGE_MS = 500;

export interface MonitorOptions {
  readonly config: Config;
  /** Default: nothing is logged. */
  readonly log?: Log;
  /** How commands are typed here, for messages. Default: by the program's own name. */
  readonly commandLine?: CommandLine;
}

export class Monitor implements AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:9464`. */
  readonly url: string;
  readonly #parts: Parts;
  readonly #server: OpenedServer;
  #closed: Promise<void> | undefined;

  /**
   * Begins to listen, also while the registry can't be reached: it says so, and begins its work when it can. Throws `ConfigError` where the
   * settings can't be used.
   */
  static async open(options: MonitorOptions): Promise<Monitor> {
    // The server and the ways to people are for this program alone; others ask this room for what they show.
    const [{ openServer }, { openSinks }] = await Promise.all([
      import('./http/server.ts'),
      import('./alerts/sinks.ts'),
    ]);
    const { config, log = silentLog } = options;
    // Before the registry is opened: a wrong address must leave nothing open.
    const parts = await Parts.open(options, openSinks(config, log));
    const { monitorHost: host, monitorPort: port, monitorToken: token } = config;
    try {
      return new Monitor(parts, await openServer({ host, port, token, context: parts.context }));
    } catch (thrown) {
      await parts.close();
      throw thrown;
    }
  }

  private constructor(parts: Parts, server: OpenedServer) {
    this.#parts = parts;
    this.#server = server;
    this.url = server.url;
  }

  /** Ready no more, then what is under way is finished, the office given back, and the last connection ended. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#parts.retire();
    await this.#server.close();
    await this.#parts.close();
  }
}

/** What is behind the server. */
class Parts {
  readonly #options: Required<MonitorOptions>;
  readonly #link: RegistryLink;
  readonly #feed: EventFeed;
  readonly #office: Office;
  readonly #standing: Periodic;
  readonly #pauses = new Pauses(PAUSE_TICK_MS);
  readonly #pauseTimer: NodeJS.Timeout;
  readonly #closing = new AbortController();
  readonly #sweeper: SweeperOptions;
  #duties: Duties | undefined;
  #probing: Promise<void> | undefined;
  #probedAtMs = -Infinity;
  #isRetiring = false;

  static async open(
    { config, log = silentLog, commandLine = byName }: MonitorOptions,
    sinks: readonly Sink[],
  ): Promise<Parts> {
    const link = await RegistryLink.open(config.registryUrl, log);
    const parts = new Parts({ config, log, commandLine }, link);
    void parts.#beginDuties(sinks);
    return parts;
  }

  private constructor(options: Required<MonitorOptions>, link: RegistryLink) {
    const { config, log } = options;
    this.#options = options;
    this.#link = link;
    this.#feed = new EventFeed(link, log);
    this.#office = new Office({ process: thisProcess(), log });
    this.#standing = new Periodic({
      name: 'Standing for the office',
      intervalMs: STAND_EVERY_MS,
      log,
      work: () => this.#stand(),
    });
    this.#pauseTimer = setInterval(() => this.#pauses.note(), PAUSE_TICK_MS);
    this.#sweeper = {
      host: thisProcess().host,
      gridUrl: config.gridUrl,
      heartbeatIntervalMs: config.heartbeatIntervalMs,
      thresholds: { warningMs: config.warningThresholdMs, timeoutMs: config.sessionTimeoutMs },
      isAutoTimeoutEnabled: config.isAutoTimeoutEnabled,
      pausedSince: (timeMs) => this.#pauses.since(timeMs),
      log,
    };
  }

  get context() {
    const { config, log } = this.#options;
    return {
      link: this.#link,
      feed: this.#feed,
      limits: this.#limits,
      hasOwnerLabel: config.hasOwnerLabel,
      log,
      closing: this.#closing.signal,
      facts: () => ({
        isClosing: this.#isRetiring,
        isLeader: this.#office.isOurs,
        leader: this.#office.leaderName,
        isSweeperEnabled: config.isHealthCheckEnabled,
        lastSweepAt: this.#duties?.lastSweepAt ?? null,
        isCleanupEnabled: config.isCleanupEnabled,
      }),
      probe: () => this.#probe(),
      look: (registry: Registry, timeoutMs?: number) => this.#look(registry, timeoutMs),
      reset: (registry: Registry, stuck: Parameters<typeof resetStuck>[0]) =>
        resetStuck(stuck, { ...this.#reaper(registry), by: 'a person' }),
      endSession: (registry: Registry, id: string) => this.#endSession(registry, id),
    };
  }

  /** Takes no more work, and gives the office to whoever comes. */
  async retire(): Promise<void> {
    this.#isRetiring = true;
    await Promise.all([this.#standing.stop(), this.#duties?.stop(), delay(DRAIN_MS)]);
    if (this.#office.isOurs)
      await this.#link
        .use((registry) => this.#office.resign(registry))
        .catch((thrown: unknown) =>
          this.#options.log.warn('The office could not be given back; it is free within seconds', {
            reason: String(thrown),
          }),
        );
    this.#closing.abort(new Error('The monitor is being closed.'));
  }

  async close(): Promise<void> {
    clearInterval(this.#pauseTimer);
    await this.#standing.stop();
    await this.#duties?.stop();
    this.#duties?.close();
    await this.#link.close();
  }

  async #beginDuties(sinks: readonly Sink[]): Promise<void> {
    const { config, log, commandLine } = this.#options;
    try {
      const registry = await this.#link.opened;
      this.#duties = new Duties({
        registry,
        config,
        sweeper: this.#sweeper,
        limits: { maxLongRunning: config.maxLongRunningSessions, maxMemoryBytes: config.maxMemoryBytes, commandLine },
        sinks,
        log,
      });
      if (!this.#isRetiring) this.#standing.start();
    } catch {
      // It was closed before the registry could be opened.
      for (const sink of sinks) sink.close?.();
    }
  }

  async #stand(): Promise<void> {
    try {
      await this.#link.use((registry) => this.#office.stand(registry), STAND_EVERY_MS);
    } finally {
      if (this.#office.isOurs && !this.#isRetiring) this.#duties?.start();
      else await this.#duties?.stop();
    }
  }

  #probe(): Promise<void> {
    if (performance.now() - this.#probedAtMs < PROBE_AGE_MS) return Promise.resolve();
    this.#probing ??= this.#link
      .use((registry) => (this.#isRetiring ? Promise.resolve() : this.#office.stand(registry)), ANSWER_LIMIT_MS)
      .then(() => void (this.#probedAtMs = performance.now()))
      .finally(() => (this.#probing = undefined));
    return this.#probing;
  }

  async #look(registry: Registry, timeoutMs?: number) {
    const { thresholds } = this.#sweeper;
    if (timeoutMs === undefined) return lookForStuck(registry, this.#sweeper);
    const asked = { ...thresholds, timeoutMs, warningMs: Math.min(thresholds.warningMs, timeoutMs) };
    return lookForStuck(registry, { ...this.#sweeper, thresholds: asked });
  }

  async #endSession(registry: Registry, id: string): Promise<'ended' | 'over' | 'missing'> {
    const session = await registry.sessions.get(id);
    if (session === undefined) return 'missing';
    if (!isLive(session)) return 'over';
    const ended = await registry.leases.revoke(id, { status: 'ended', message: 'ended by a person' });
    if (ended === undefined) return 'over';
    const reaper = this.#reaper(registry);
    await endRemains(ended, { ...reaper, graceMs: isAwake(ended) ? graceFor(reaper.heartbeatIntervalMs) : 0 });
    return 'ended';
  }

  #reaper(registry: Registry) {
    const { log } = this.#options;
    const { host, gridUrl, heartbeatIntervalMs } = this.#sweeper;
    return { registry, host, gridUrl, heartbeatIntervalMs, log };
  }

  get #limits(): HealthLimits {
    const { config } = this.#options;
    return {
      warningMs: config.warningThresholdMs,
      timeoutMs: config.sessionTimeoutMs,
      maxLongRunning: config.maxLongRunningSessions,
      maxSessions: config.maxSessions,
    };
  }
}

function byName(command: string, rest = ''): string {
  return ['webdriver-supervisor', command, rest].filter(Boolean).join(' ');
}
