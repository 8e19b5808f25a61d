/** Removes the leftovers of sessions whose process is gone, and releases their owners. */
import type { StoredRun } from '../model/run.ts';
import { existsSync } from 'node:fs';

import { LIVE_STATUSES, type StoredSession } from '../model/session.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { redactUrl } from '../core/redact.ts';
import {
  endLeftFolders,
  endLeftProcesses,
  endRemoteSession,
  isProcessGone,
  isProcessRunning,
  isProcessThere,
  type Route,
} from '../driver/driver.ts';
import type { Registry } from '../registry/registry.ts';

/** The time that a browser takes to end. */
const BROWSER_END_MS = 2_000;
const ENDED_STATUSES = ['timed_out', 'ended', 'expired', 'dead'] as const;
/** The maximum number of ended sessions that are examined, the newest first. */
const MAX_EXAMINED_SESSIONS = 500;

export interface ReaperOptions {
  readonly registry: Registry;
  readonly host: string;
  /** The endpoint that this program uses, with credentials. The registry has it only without credentials, so that value can't be used. */
  readonly gridUrl: string | undefined;
  /** The route to the endpoint. Default: the direct one. */
  readonly gridRoute?: Route | undefined;
  readonly log: Log;
}

/** Returns true if the process that holds the session is certain to be gone. */
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
 * Returns true if the process that holds the session certainly exists. Such a process renews an expired lease as soon as it can: after a
 * sleep of the machine all its programs wake in any order, and a clean-up must not be faster than the renewals.
 */
export function isPresent({ host, pid, processIdentity }: StoredSession): boolean {
  return isProcessThere({ host, pid, identity: processIdentity });
}

/**
 * Returns the time in milliseconds within which a process notices that it has lost the lease, and ends the browser itself: two heartbeats,
 * and the time that a browser takes to end.
 */
export function graceFor(heartbeatIntervalMs: number): number {
  return 2 * heartbeatIntervalMs + BROWSER_END_MS;
}

/** Returns true if the session's process is on this machine and can react to a lost lease. */
export function isAwake({ host, pid, processIdentity: identity }: StoredSession): boolean {
  return isProcessRunning({ host, pid, identity });
}

/**
 * Cleans up all live sessions of this machine whose process is gone, and what such a process had started for its next session. Returns the
 * sessions' current rows. The failure of one does not stop the others.
 */
export async function reapAbandoned(options: ReaperOptions): Promise<StoredSession[]> {
  const { registry, host, log } = options;
  const sessions = await registry.sessions.list({ status: LIVE_STATUSES, host });
  const reaped: StoredSession[] = [];
  for (const session of sessions.filter(isAbandoned)) {
    try {
      await endLeftovers(session, options);
      const message = `its process (pid ${session.pid}) is gone`;
      const closed = await registry.leases.revoke(session.id, { status: 'expired', message });
      if (closed !== undefined) reaped.push(closed);
    } catch (thrown) {
      log.warn('The leftovers of a dead process could not be removed', {
        session: session.id,
        owner: session.owner,
        reason: toError(thrown).message,
      });
    }
  }
  if (reaped.length > 0) {
    log.info('Sessions of processes that are gone were cleared', { owners: reaped.map(({ owner }) => owner) });
  }
  try {
    const removed = await endLeftFolders();
    if (removed > 0)
      log.info('Drivers and browsers that waited for sessions of ended processes were removed', { removed });
  } catch (thrown) {
    log.warn('Waiting drivers and browsers of an ended process could not be removed', {
      reason: toError(thrown).message,
    });
  }
  return reaped;
}

/**
 * Ends browsers that still exist although their sessions have ended by their rows, because the program that ended them was interrupted.
 * Such a browser is found by its folder, which a normal end removes.
 */
export async function reapForgotten(options: ReaperOptions & { readonly heartbeatIntervalMs: number }): Promise<void> {
  const { registry, host, heartbeatIntervalMs, log } = options;
  const before = new Date(Date.now() - graceFor(heartbeatIntervalMs) - BROWSER_END_MS).toISOString();
  const over = await registry.sessions.list({ status: ENDED_STATUSES, host, limit: MAX_EXAMINED_SESSIONS });
  const live = await registry.sessions.list({ status: LIVE_STATUSES, host });
  const forgotten = over.filter(
    ({ folder, endedAt }) =>
      folder !== null && (endedAt ?? '') < before && existsSync(folder) && !live.some((one) => one.folder === folder),
  );
  for (const session of forgotten) {
    try {
      await endLeftovers({ ...session, endpoint: null }, options);
      log.warn('A leftover browser was ended', { session: session.id, owner: session.owner });
    } catch (thrown) {
      log.warn('A leftover browser could not be ended', { session: session.id, reason: toError(thrown).message });
    }
  }
}

/**
 * Ends a live session: its lease first, so that its process detects the end, then its leftovers on this machine or at its endpoint.
 * Returns the ended session and the second part, which waits for the process; undefined if the session has ended in the meantime.
 */
export async function endSession(
  id: string,
  options: ReaperOptions & { readonly heartbeatIntervalMs: number },
): Promise<{ readonly session: StoredSession; readonly endLeftovers: () => Promise<void> } | undefined> {
  const { registry, heartbeatIntervalMs } = options;
  const session = await registry.leases.revoke(id, { status: 'ended', message: 'ended by a person' });
  if (session === undefined) return undefined;
  const graceMs = isAwake(session) ? graceFor(heartbeatIntervalMs) : 0;
  return { session, endLeftovers: () => endLeftovers(session, { ...options, graceMs }) };
}

/**
 * Ends the browser of a session that no process holds: its processes if they are on this machine, and the session at its endpoint.
 */
export async function endLeftovers(
  session: StoredSession,
  { registry, host, gridUrl, gridRoute, log, graceMs = 0 }: ReaperOptions & { readonly graceMs?: number },
): Promise<void> {
  const { driverPid, folder } = session;
  if (session.host === host) await endLeftProcesses({ driverPid, folder, graceMs });
  await endAtEndpoint(session, { registry, gridUrl, gridRoute, log });
}

/**
 * Ends a session at its endpoint, and stores that the endpoint has confirmed it. Returns false, and logs the reason, if the endpoint still
 * has the session or can't be asked.
 */
export async function endAtEndpoint(
  { owner, endpoint, webdriverId: sessionId }: StoredSession,
  { registry, gridUrl, gridRoute, log }: Pick<ReaperOptions, 'registry' | 'gridUrl' | 'gridRoute' | 'log'>,
): Promise<boolean> {
  if (endpoint === null || sessionId === null) return true;
  try {
    const isOwn = gridUrl !== undefined && redactUrl(gridUrl) === endpoint;
    if (!isOwn && new URL(endpoint).username !== '')
      throw new Error(`the endpoint ${endpoint} needs credentials, which are not stored; set GRID_URL to its URL`);
    await endRemoteSession(isOwn ? { url: gridUrl, route: gridRoute, sessionId } : { url: endpoint, sessionId });
    await registry.leases.markReleased(sessionId);
    return true;
  } catch (thrown) {
    log.warn('A session is left at its endpoint; the next clean-up tries again, or its idle limit ends it', {
      owner,
      reason: toError(thrown).message,
    });
    return false;
  }
}
