/** One look over everything that works: what its process has left is cleared, what is stuck is timed out. */
import { LIVE_STATUSES } from '../model/session.ts';
import type { Log } from '../core/log.ts';
import { type Registry } from '../registry/registry.ts';
import {
  findStuck,
  reapAbandoned,
  endTimedOut,
  reapForgotten,
  timeOutStuck,
  type ReaperOptions,
  type StuckReport,
  type StuckThresholds,
} from '../upkeep/upkeep.ts';
import { findClockTrouble } from './clock.ts';

/** Begins the sentence that tells that it failed. */
export const END_NAME = 'Ending the browsers of what was timed out';

export interface SweeperOptions {
  readonly host: string;
  readonly gridUrl: string | undefined;
  readonly gridRoute?: ReaperOptions['gridRoute'];
  readonly thresholds: StuckThresholds;
  readonly heartbeatIntervalMs: number;
  /** False: what is stuck is only told. */
  readonly isAutoTimeoutEnabled: boolean;
  /** How much of the time since then this machine slept, in ms. */
  readonly pausedSince: (timeMs: number) => number;
  /** Takes over what lasts: nothing else waits for it. Default: it is waited for. */
  readonly inBackground?: (name: string, work: () => Promise<unknown>) => void;
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

/** The rows are timed out when it resolves; their browsers are ended by `inBackground`, where that is given. */
export async function sweep(registry: Registry, options: SweeperOptions): Promise<void> {
  const { host, gridUrl, gridRoute, heartbeatIntervalMs, isAutoTimeoutEnabled, log, inBackground } = options;
  const reaper = { registry, host, gridUrl, gridRoute, heartbeatIntervalMs, log };
  await reapAbandoned(reaper);
  await reapForgotten(reaper);
  const { stuck } = await lookForStuck(registry, options);
  if (stuck.length === 0 || !isAutoTimeoutEnabled) return;
  const trouble = await findClockTrouble(registry, await registry.sessions.list({ status: LIVE_STATUSES }));
  if (trouble !== null) return log.warn(trouble);
  const { runIds, sessions } = await timeOutStuck(stuck, { registry, by: `the monitor on ${host}` });
  log.warn('Timed out what was stuck', { runs: runIds, sessions: sessions.map(({ id }) => id) });
  const end = () => endTimedOut(sessions, reaper);
  if (inBackground === undefined) await end();
  else inBackground(END_NAME, end);
}
