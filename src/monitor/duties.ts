/** What one monitor does for a registry: it looks for what is stuck, cleans up, and tells people. Only while the office is ours. */
import type { Config } from '../config/config.ts';
import type { Log } from '../core/log.ts';
import type { Registry } from '../registry/registry.ts';
import { SessionCleanup, toStatistics, type ReaperOptions } from '../upkeep/upkeep.ts';
import { AlertKeeper } from './alerts/alert-keeper.ts';
import { readFacts } from './alerts/facts.ts';
import { Notifier } from './alerts/notifier.ts';
import { STUCK_RULES, type AlertLimits } from './alerts/rules.ts';
import type { Sink } from './alerts/notice.ts';
import { Background } from './background.ts';
import { Periodic } from '../core/periodic.ts';
import { MemoryWatch } from './memory.ts';
import { lookForStuck, sweep, type SweeperOptions } from './sweeper.ts';

/** Whoever is to be told is told within 30 s: this, and what sending takes. */
const ALERTS_EVERY_MS = 10_000;
/** So long notices that are on their way are waited for at the end; the next monitor sends what has not arrived. */
const SEND_LIMIT_MS = 2_000;
const NOTHING = { processing: 0, longRunning: [], stuck: [] };

export interface DutiesOptions {
  readonly registry: Registry;
  readonly config: Config;
  readonly sweeper: SweeperOptions;
  readonly limits: AlertLimits;
  readonly sinks: readonly Sink[];
  readonly log: Log;
}

export class Duties {
  readonly #options: DutiesOptions;
  readonly #sweeps: Periodic;
  readonly #alerts: Periodic;
  readonly #cleanup: SessionCleanup;
  readonly #keeper: AlertKeeper;
  readonly #notifier: Notifier;
  readonly #background: Background;
  readonly #memory = new MemoryWatch();
  #isAtWork = false;

  constructor(options: DutiesOptions) {
    const { registry, config, sweeper, limits, sinks, log } = options;
    const { pausedSince } = sweeper;
    this.#options = options;
    this.#background = new Background(log);
    this.#keeper = new AlertKeeper(limits, log);
    this.#notifier = new Notifier({ sinks, host: sweeper.host, overview: limits.commandLine('health'), log });
    this.#sweeps = new Periodic({
      name: 'The check for stuck work',
      intervalMs: config.healthCheckIntervalMs,
      pausedSince,
      log,
      work: async () => {
        await sweep(registry, sweeper);
        // What was found is told now, and not at the next turn; by who comes next, where the office is given back.
        if (this.#isAtWork) void this.#alerts.run();
      },
    });
    this.#alerts = new Periodic({
      name: 'Telling of alerts',
      intervalMs: ALERTS_EVERY_MS,
      log,
      work: () => this.#tell(),
    });
    this.#cleanup = makeCleanup(options);
  }

  get lastSweepAt(): Date | null {
    return this.#sweeps.lastRunAt;
  }

  start(): void {
    if (this.#isAtWork) return;
    this.#isAtWork = true;
    const { isHealthCheckEnabled, isCleanupEnabled } = this.#options.config;
    if (isHealthCheckEnabled) this.#sweeps.start();
    if (isCleanupEnabled) this.#cleanup.start({ firstInMs: 0 });
    this.#alerts.start();
  }

  /** Waits for what is under way, notices that are being sent included. */
  async stop(): Promise<void> {
    this.#isAtWork = false;
    await Promise.all([this.#sweeps.stop(), this.#cleanup.stop(), this.#alerts.stop()]);
    await this.#background.settle(SEND_LIMIT_MS);
  }

  close(): void {
    this.#notifier.close();
  }

  async #tell(): Promise<void> {
    const { registry, sweeper, config } = this.#options;
    const isChecking = config.isHealthCheckEnabled;
    const report = isChecking ? await lookForStuck(registry, sweeper) : NOTHING;
    const overdue = [
      { name: 'check for stuck work', byMs: this.#sweeps.overdueMs },
      { name: 'clean-up', byMs: this.#cleanup.overdueMs },
    ];
    const memoryBytes = this.#memory.look();
    await this.#keeper.update(registry, await readFacts(registry, { report, memoryBytes, overdue }), {
      // What nobody looks for is not over because it was not found.
      leave: isChecking ? [] : STUCK_RULES,
    });
    // Slow sinks must not hold up the next look.
    this.#background.run('Sending notices', () => this.#notifier.deliver(registry));
  }
}

function makeCleanup({ registry, config, sweeper, log }: DutiesOptions): SessionCleanup {
  const reaper: ReaperOptions = {
    registry,
    host: sweeper.host,
    gridUrl: config.gridUrl,
    gridRoute: sweeper.gridRoute,
    log,
  };
  return new SessionCleanup({
    reaper,
    policy: undefined,
    retentionMs: config.runRetentionMs,
    intervalMs: config.cleanupIntervalMs,
    batchSize: config.cleanupBatchSize,
    heartbeatIntervalMs: sweeper.heartbeatIntervalMs,
    pausedSince: sweeper.pausedSince,
    // The monitor has no sessions of its own.
    endIdle: async () => 0,
    describe: async () => toStatistics(await registry.sessions.listGroups(), { capacity: config.maxSessions, held: 0 }),
    onDone: () => undefined,
  });
}
