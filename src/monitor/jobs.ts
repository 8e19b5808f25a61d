/** The jobs of the leader: the check for stuck work, the clean-up, and the alerts. They only run while this monitor is the leader. */
import type { Config } from '../config/config.ts';
import type { Log } from '../core/log.ts';
import type { Registry } from '../registry/registry.ts';
import { SessionCleanup, toStatistics, UnreleasedSessions, type ReaperOptions } from '../upkeep/upkeep.ts';
import { AlertKeeper } from './alerts/alert-keeper.ts';
import { readFacts } from './alerts/facts.ts';
import { Notifier } from './alerts/notifier.ts';
import { STUCK_RULES, type AlertLimits } from './alerts/rules.ts';
import type { Sink } from './alerts/notice.ts';
import { Background } from './background.ts';
import { Periodic } from '../core/periodic.ts';
import { MemoryWatch } from './memory-watch.ts';
import { lookForStuck, sweep, type SweeperOptions } from './sweeper.ts';

/** An alert must reach its receivers within 30 s, which include this interval and the time of sending. */
const ALERT_CHECK_INTERVAL_MS = 10_000;
/** The time limit for the delivery of notices in progress at the end. The next leader sends the notices that have not arrived. */
const SEND_LIMIT_MS = 2_000;
const EMPTY_REPORT = { processing: 0, longRunning: [], stuck: [] };

export interface JobsOptions {
  readonly registry: Registry;
  readonly config: Config;
  readonly sweeper: SweeperOptions;
  readonly limits: AlertLimits;
  readonly sinks: readonly Sink[];
  readonly log: Log;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #sweeps: Periodic;
  readonly #alerts: Periodic;
  readonly #cleanup: SessionCleanup;
  readonly #keeper: AlertKeeper;
  readonly #notifier: Notifier;
  readonly #background: Background;
  readonly #memory = new MemoryWatch();
  #isAtWork = false;

  constructor(options: JobsOptions) {
    const { registry, config, sweeper, limits, sinks, log } = options;
    const { gridUrl, gridRoute, pausedSince } = sweeper;
    const unreleased = new UnreleasedSessions({ registry, gridUrl, gridRoute, log });
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
        this.#background.run('Ending sessions that their endpoints still have', () => unreleased.end());
        // Findings are reported at once and not at the next interval. After the end of the leadership the next leader reports them.
        if (this.#isAtWork) void this.#alerts.run();
      },
    });
    this.#alerts = new Periodic({
      name: 'The check of alerts',
      intervalMs: ALERT_CHECK_INTERVAL_MS,
      log,
      work: () => this.#checkAlerts(),
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

  /** Stops the jobs. Waits for those that run, and for notices that are being sent. */
  async stop(): Promise<void> {
    this.#isAtWork = false;
    await Promise.all([this.#sweeps.stop(), this.#cleanup.stop(), this.#alerts.stop()]);
    await this.#background.settle(SEND_LIMIT_MS);
  }

  close(): void {
    this.#notifier.close();
  }

  async #checkAlerts(): Promise<void> {
    const { registry, sweeper, config } = this.#options;
    const isChecking = config.isHealthCheckEnabled;
    const report = isChecking ? await lookForStuck(registry, sweeper) : EMPTY_REPORT;
    const overdue = [
      { name: 'check for stuck work', byMs: this.#sweeps.overdueMs },
      { name: 'clean-up', byMs: this.#cleanup.overdueMs },
    ];
    const memoryBytes = this.#memory.sample();
    await this.#keeper.update(registry, await readFacts(registry, { report, memoryBytes, overdue }), {
      // Without the check, stuck work is not found. Its alerts must not end for that reason.
      leave: isChecking ? [] : STUCK_RULES,
    });
    // Slow sinks must not delay the next check.
    this.#background.run('Sending notices', () => this.#notifier.deliver(registry));
  }
}

function makeCleanup({ registry, config, sweeper, log }: JobsOptions): SessionCleanup {
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
