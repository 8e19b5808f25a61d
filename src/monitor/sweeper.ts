/** One look over everything that works: what its process has left is cleared, what is stuck is timed out. */
import type { Log } from '../core/log.ts';
import { LIVE_STATUSES, type Registry } from '../registry/registry.ts';
import { findStuck, reapAbandoned, resetStuck, type StuckReport, type StuckThresholds } from '../upkeep/upkeep.ts';

export interface SweeperOptions {
  readonly host: string;
  readonly gridUrl: string | undefined;
  readonly thresholds: StuckThresholds;
  readonly heartbeatIntervalMs: number;
  /** False: what is stuck is only told. */
  readonly isAutoTimeoutEnabled: boolean;
  /** How much of the time since then this machine slept, in ms. */
  readonly pausedSince: (timeMs: number) => number;
  readonly log: Log;
}

/** What works, and what of it is idle, now. */
export async function lookForStuck(
  registry: Registry,
  { host, thresholds, pausedSince }: Pick<SweeperOptions, 'host' | 'thresholds' | 'pausedSince'>,
): Promise<StuckReport> {
  const [runs, sessions] = await Promise.all([
    registry.runs.list({ status: 'processing' }),
    registry.sessions.list({ status: LIVE_STATUSES }),
  ]);
  const pausedMs = (where: string | null, sinceMs: number) => (where === host ? pausedSince(sinceMs) : 0);
  return findStuck({ runs, sessions, pausedMs }, thresholds);
}

export async function sweep(registry: Registry, options: SweeperOptions): Promise<void> {
  const { host, isAutoTimeoutEnabled, log } = options;
  const reaper = { registry, host, gridUrl: options.gridUrl, log };
  await reapAbandoned(reaper);
  const { stuck } = await lookForStuck(registry, options);
  if (stuck.length === 0 || !isAutoTimeoutEnabled) return;
  const { runIds, sessionIds, failures } = await resetStuck(stuck, {
    ...reaper,
    heartbeatIntervalMs: options.heartbeatIntervalMs,
    by: `the monitor on ${host}`,
  });
  log.warn('Timed out what was stuck', { runs: runIds, sessions: sessionIds, failures: failures.length });
}
