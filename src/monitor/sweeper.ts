/** Checks all live work once: ends the leftovers of dead processes, and times out what is stuck. */
import { LIVE_STATUSES } from '../model/session.ts';
import type { Log } from '../core/log.ts';
import type { Registry } from '../registry/registry.ts';
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

/** The beginning of the log line if this work fails. */
export const END_NAME = 'Ending the browsers of what was timed out';

export interface SweeperOptions {
  readonly host: string;
  readonly gridUrl: string | undefined;
  readonly gridRoute?: ReaperOptions['gridRoute'];
  readonly thresholds: StuckThresholds;
  readonly heartbeatIntervalMs: number;
  /** If false, stuck work is only reported. */
  readonly isAutoTimeoutEnabled: boolean;
  /** Returns how much of the time since `timeMs` this machine slept, in ms. */
  readonly pausedSince: (timeMs: number) => number;
  /** Runs slow work that the sweep does not wait for. Default: the sweep waits for it. */
  readonly inBackground?: (name: string, work: () => Promise<unknown>) => void;
  readonly log: Log;
}

/** Returns how much work is live now, and which of it makes no progress. */
export async function lookForStuck(
  registry: Registry,
  { host, thresholds, pausedSince }: Pick<SweeperOptions, 'host' | 'thresholds' | 'pausedSince'>,
): Promise<StuckReport> {
  const [runs, sessions] = await Promise.all([
    registry.runs.list({ status: 'processing' }),
    registry.sessions.list({ status: LIVE_STATUSES }),
  ]);
  const pausedMs = (runHost: string | null, sinceMs: number) => (runHost === host ? pausedSince(sinceMs) : 0);
  return findStuck({ runs, sessions, pausedMs }, thresholds);
}

/** Resolves when the rows are timed out. If `inBackground` is given, their browsers are ended there. */
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
  log.warn('Timed out stuck runs and sessions', { runs: runIds, sessions: sessions.map(({ id }) => id) });
  const end = () => endTimedOut(sessions, reaper);
  if (inBackground === undefined) await end();
  else inBackground(END_NAME, end);
}
