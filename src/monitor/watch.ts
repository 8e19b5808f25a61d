/** The part of the monitor behind its HTTP server. */
import { isLive } from '../model/session.ts';
import type { Config } from '../config/config.ts';
import { delay, settlesWithin } from '../core/abort.ts';
import type { Log } from '../core/log.ts';
import { thisProcess } from '../driver/driver.ts';
import type { Registry, TimedOut } from '../registry/registry.ts';
import { endSession, endTimedOut, timeOutStuck, type StuckReport } from '../upkeep/upkeep.ts';
import type { Sink } from './alerts/notice.ts';
import type { CommandLine } from './command-line.ts';
import { Background } from './background.ts';
import { Jobs } from './jobs.ts';
import { EventFeed } from './event-feed.ts';
import { toHealthLimits } from './health.ts';
import type { RouteContext } from './http/context.ts';
import { toRunView } from './http/views.ts';
import { LeaderElection, RENEWAL_INTERVAL_MS } from './leader-election.ts';
import { OwnerLabels } from './owner-labels.ts';
import { Pauses } from './pauses.ts';
import { Periodic } from '../core/periodic.ts';
import { ANSWER_LIMIT_MS, RegistryLink } from './registry-link.ts';
import { END_NAME, lookForStuck, type SweeperOptions } from './sweeper.ts';

const PAUSE_TICK_MS = 1_000;
/** The time between not being ready and the end of connections: load balancers ask about once a second. */
const DRAIN_MS = 1_000;
/** Longer than the grace in which programs end their own browsers. */
const RETIRE_LIMIT_MS = 16_000;
const CLOSE_LIMIT_MS = 5_000;
/** The limit for the write that proves that the registry accepts writes. */
const PROOF_LIMIT_MS = 1_000;
/** The time for which a proof is reused, because many callers may ask at once. */
const MAX_PROOF_AGE_MS = 500;

export interface WatchOptions {
  readonly config: Config;
  readonly log: Log;
  readonly commandLine: CommandLine;
}

/** Watches one registry: holds its connection, the leader election, the jobs, and the facts that the server shows. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #link: RegistryLink;
  readonly #feed: EventFeed;
  readonly #election: LeaderElection;
  readonly #renewals: Periodic;
  readonly #pauses = new Pauses(PAUSE_TICK_MS);
  readonly #pauseTimer: NodeJS.Timeout;
  readonly #closing = new AbortController();
  readonly #background: Background;
  readonly #sweeper: SweeperOptions;
  #jobs: Jobs | undefined;
  #probing: Promise<void> | undefined;
  #probedAtMs = -Infinity;
  #isRetiring = false;

  static async open(options: WatchOptions, sinks: readonly Sink[]): Promise<Watch> {
    const link = await RegistryLink.open(options.config.registryUrl, options.log);
    const watch = new Watch(options, link);
    void watch.#startElection(sinks);
    return watch;
  }

  private constructor(options: WatchOptions, link: RegistryLink) {
    const { config, log } = options;
    this.#options = options;
    this.#link = link;
    this.#background = new Background(log);
    this.#feed = new EventFeed(link, log);
    this.#election = new LeaderElection({ process: thisProcess(), log });
    this.#renewals = new Periodic({
      name: 'The leader election',
      intervalMs: RENEWAL_INTERVAL_MS,
      log,
      work: () => this.#elect(),
    });
    this.#pauseTimer = setInterval(() => this.#pauses.note(), PAUSE_TICK_MS);
    this.#sweeper = {
      host: thisProcess().host,
      gridUrl: config.gridUrl,
      gridRoute: { proxy: config.gridProxy },
      heartbeatIntervalMs: config.heartbeatIntervalMs,
      thresholds: { warningMs: config.warningThresholdMs, timeoutMs: config.sessionTimeoutMs },
      isAutoTimeoutEnabled: config.isAutoTimeoutEnabled,
      pausedSince: (timeMs) => this.#pauses.since(timeMs),
      inBackground: (name, work) => this.#background.run(name, work),
      log,
    };
  }

  get context(): RouteContext {
    const { config, log } = this.#options;
    return {
      link: this.#link,
      feed: this.#feed,
      limits: toHealthLimits(config),
      ownerLabels: new OwnerLabels({ isEnabled: config.hasOwnerLabel }),
      log,
      closing: this.#closing.signal,
      toRun: (run) => toRunView(run, this.#options.commandLine),
      facts: () => ({
        isClosing: this.#isRetiring,
        isLeader: this.#election.isLeader,
        leader: this.#election.leaderName,
        isSweeperEnabled: config.isHealthCheckEnabled,
        lastSweepAt: this.#jobs?.lastSweepAt ?? null,
        isCleanupEnabled: config.isCleanupEnabled,
      }),
      probe: () => this.#probe(),
      look: (registry, timeoutMs) => this.#look(registry, timeoutMs),
      timeOut: (registry, stuck) => this.#timeOut(registry, stuck),
      reportWrongTokens: (client) => this.#reportWrongTokens(client),
      endSession: (registry, id) => this.#endSession(registry, id),
    };
  }

  /** Stops the jobs and releases the leadership, so that another monitor can take over. */
  async retire(): Promise<void> {
    this.#isRetiring = true;
    const { log } = this.#options;
    const isDone = await settlesWithin(
      Promise.all([
        this.#renewals.stop(),
        this.#jobs?.stop(),
        delay(DRAIN_MS),
        this.#background.settle(RETIRE_LIMIT_MS),
      ]),
      RETIRE_LIMIT_MS,
    );
    if (!isDone) log.warn('The work of this monitor did not end in time; the next leader does the rest');
    if (this.#election.isLeader)
      await this.#link
        .use((registry) => this.#election.release(registry))
        .catch((thrown: unknown) =>
          log.warn('The leadership could not be released; it expires within seconds', {
            reason: String(thrown),
          }),
        );
    this.#closing.abort(new Error('The monitor is being closed.'));
  }

  async close(): Promise<void> {
    clearInterval(this.#pauseTimer);
    this.#jobs?.close();
    // A database that hangs must not delay the end.
    await settlesWithin(Promise.all([this.#renewals.stop(), this.#jobs?.stop(), this.#link.close()]), CLOSE_LIMIT_MS);
  }

  async #startElection(sinks: readonly Sink[]): Promise<void> {
    const { config, log, commandLine } = this.#options;
    const registry = await this.#link.opened.catch(() => undefined);
    // The link was closed before the registry was open.
    if (registry === undefined) return;
    this.#jobs = new Jobs({
      registry,
      config,
      sweeper: this.#sweeper,
      limits: { maxLongRunning: config.maxLongRunningSessions, maxMemoryBytes: config.maxMemoryBytes, commandLine },
      sinks,
      log,
    });
    if (!this.#isRetiring) this.#renewals.start();
  }

  async #elect(): Promise<void> {
    try {
      await this.#link.use((registry) => this.#election.acquireOrRenew(registry), RENEWAL_INTERVAL_MS);
    } finally {
      if (this.#election.isLeader && !this.#isRetiring) this.#jobs?.start();
      else await this.#jobs?.stop();
    }
  }

  #probe(): Promise<void> {
    if (performance.now() - this.#probedAtMs < MAX_PROOF_AGE_MS) return Promise.resolve();
    this.#probing ??= this.#link
      .use(async (registry) => {
        const renewal = this.#isRetiring ? undefined : this.#election.acquireOrRenew(registry);
        await Promise.all([renewal, registry.leases.prove(PROOF_LIMIT_MS)]);
      }, ANSWER_LIMIT_MS)
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

  async #timeOut(registry: Registry, stuck: StuckReport['stuck']): Promise<TimedOut> {
    const done = await timeOutStuck(stuck, { registry, by: 'a person' });
    this.#background.run(END_NAME, () => endTimedOut(done.sessions, this.#reaper(registry)));
    return done;
  }

  /** Reports through the registry, because the leader, which raises alerts, may be another monitor. */
  #reportWrongTokens(client: string): void {
    const message = `10 or more wrong tokens came within 10 min, the latest from ${client}`;
    this.#background.run('Reporting wrong tokens', () =>
      this.#link.use(({ events }) => events.append({ type: 'wrong_tokens', message, data: { client } })),
    );
  }

  async #endSession(registry: Registry, id: string): Promise<'ended' | 'over' | 'missing'> {
    const session = await registry.sessions.get(id);
    if (session === undefined) return 'missing';
    if (!isLive(session)) return 'over';
    const ended = await endSession(id, this.#reaper(registry));
    if (ended === undefined) return 'over';
    this.#background.run('Ending a browser', ended.endLeftovers);
    return 'ended';
  }

  #reaper(registry: Registry) {
    const { log } = this.#options;
    const { host, gridUrl, gridRoute, heartbeatIntervalMs } = this.#sweeper;
    return { registry, host, gridUrl, gridRoute, heartbeatIntervalMs, log };
  }
}
