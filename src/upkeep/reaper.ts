/** Ends what sessions left whose process is gone, and gives their owners back. */
import type { StoredRun } from '../model/run.ts';
import { existsSync } from 'node:fs';

import { LIVE_STATUSES, type StoredSession } from '../model/session.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { redactUrl } from '../core/redact.ts';
import {
  deleteRemoteSession,
  endLeftProcesses,
  isProcessGone,
  isProcessRunning,
  isProcessThere,
  type Route,
} from '../driver/driver.ts';
import { type Registry } from '../registry/registry.ts';

/** What a browser takes to end. */
const END_MS = 2_000;
const OVER = ['timed_out', 'ended', 'expired', 'dead'] as const;
/** So many of the newest are looked at. */
const FORGOTTEN = 500;

export interface ReaperOptions {
  readonly registry: Registry;
  readonly host: string;
  /** The endpoint that this program uses, credentials included: what the registry has of it can't be used. */
  readonly gridUrl: string | undefined;
  /** The way there. Default: the direct one. */
  readonly gridRoute?: Route | undefined;
  readonly log: Log;
}

/** Whether the process that holds the session is certain to be gone. */
export function isAbandoned({ host, pid, processIdentity }: StoredSession): boolean {
  return isProcessGone({ host, pid, identity: processIdentity });
}

/** Returns true if the process that works on a run is certain to be gone. */
export function isProcessOfRunGone({
  host,
  pid,
  processIdentity: identity,
}: Pick<StoredRun, 'host' | 'pid' | 'processIdentity'>): boolean {
  return host !== null && pid !== null && identity !== null && isProcessGone({ host, pid, identity });
}

/**
 * Whether the process that holds the session is certain to be there. Where its lease ran out, it renews it as soon as it can: a machine
 * that slept wakes all its programs, in any order, and one's clean-up must not be quicker than the others' renewals.
 */
export function isPresent({ host, pid, processIdentity }: StoredSession): boolean {
  return isProcessThere({ host, pid, identity: processIdentity });
}

/** In this time a process learns from its lease that it has lost the session, and ends the browser itself: two heartbeats, and what ending takes. */
export function graceFor(heartbeatIntervalMs: number): number {
  return 2 * heartbeatIntervalMs + END_MS;
}

/** Whether its process is on this machine and can do something about what it is told. */
export function isAwake({ host, pid, processIdentity: identity }: StoredSession): boolean {
  return isProcessRunning({ host, pid, identity });
}

/** All live sessions of this machine whose process is gone. Returns them as they are now; one that resists stops no other. */
export async function reapAbandoned(options: ReaperOptions): Promise<StoredSession[]> {
  const { registry, host, log } = options;
  const sessions = await registry.sessions.list({ status: LIVE_STATUSES, host });
  const reaped: StoredSession[] = [];
  for (const session of sessions.filter(isAbandoned)) {
    try {
      await endRemains(session, options);
      const message = `its process (pid ${session.pid}) is gone`;
      const closed = await registry.leases.revoke(session.id, { status: 'expired', message });
      if (closed !== undefined) reaped.push(closed);
    } catch (thrown) {
      log.warn('What a vanished process left could not be cleared', {
        session: session.id,
        owner: session.owner,
        reason: toError(thrown).message,
      });
    }
  }
  if (reaped.length > 0) {
    log.info('Sessions of processes that are gone were cleared', { owners: reaped.map(({ owner }) => owner) });
  }
  return reaped;
}

/**
 * Browsers of sessions that are over by their rows, and still there: whoever was to end them was cut off. A clean end removes the folder, so
 * that its being there tells.
 */
export async function reapForgotten(options: ReaperOptions & { readonly heartbeatIntervalMs: number }): Promise<void> {
  const { registry, host, heartbeatIntervalMs, log } = options;
  const before = new Date(Date.now() - graceFor(heartbeatIntervalMs) - END_MS).toISOString();
  const over = await registry.sessions.list({ status: OVER, host, limit: FORGOTTEN });
  const live = await registry.sessions.list({ status: LIVE_STATUSES, host });
  const forgotten = over.filter(
    ({ folder, endedAt }) =>
      folder !== null && (endedAt ?? '') < before && existsSync(folder) && !live.some((one) => one.folder === folder),
  );
  for (const session of forgotten) {
    try {
      await endRemains({ ...session, endpoint: null }, options);
      log.warn('A browser that was left was ended', { session: session.id, owner: session.owner });
    } catch (thrown) {
      log.warn('A browser that was left could not be ended', { session: session.id, reason: toError(thrown).message });
    }
  }
}

/** The browser of a session that is nobody's any more: its processes where they are here, a DELETE at the endpoint we share. */
export async function endRemains(
  session: StoredSession,
  { host, gridUrl, gridRoute, log, graceMs = 0 }: Omit<ReaperOptions, 'registry'> & { readonly graceMs?: number },
): Promise<void> {
  const { driverPid, folder } = session;
  if (session.host === host) await endLeftProcesses({ driverPid, folder, graceMs });
  if (session.endpoint === null || session.webdriverId === null) return;
  if (gridUrl === undefined || redactUrl(gridUrl) !== session.endpoint) return;
  try {
    await deleteRemoteSession(gridUrl, session.webdriverId, gridRoute);
  } catch (thrown) {
    log.warn('The session of another process could not be ended at its endpoint; its idle limit will', {
      owner: session.owner,
      reason: toError(thrown).message,
    });
  }
}
