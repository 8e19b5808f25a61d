/** Times out stuck runs and sessions: first their rows, so that their process notices it, then their processes on this machine. */
import type { StoredSession } from '../model/session.ts';
import { delay } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { describeSpan } from '../core/describe-time.ts';
import type { Registry, StuckFinding, TimedOut } from '../registry/registry.ts';
import { endLeftovers, graceFor, isAbandoned, isAwake, type ReaperOptions } from './reaper.ts';
import type { Idle } from './stuck.ts';

/** The number of sessions whose processes are ended at the same time. */
const SIMULTANEOUS_RESETS = 8;

export interface StuckReset {
  readonly runIds: readonly string[];
  readonly sessionIds: readonly string[];
  /** Sessions whose processes could not be ended, with the reason; their rows are timed out nevertheless. */
  readonly failures: readonly { readonly sessionId: string; readonly message: string }[];
}

export interface EndOptions extends ReaperOptions {
  readonly heartbeatIntervalMs: number;
}

/** Times out the rows, and then ends the browsers. */
export async function resetStuck(
  found: readonly Idle[],
  options: EndOptions & { readonly by: string },
): Promise<StuckReset> {
  const { runIds, sessions } = await timeOutStuck(found, options);
  const failures = await endTimedOut(sessions, options);
  return { runIds, sessionIds: sessions.map(({ id }) => id), failures };
}

/**
 * Times out the rows of what was found, except what has made progress since. `by` names the user or the program that does it, for the rows.
 */
export function timeOutStuck(
  found: readonly Idle[],
  { registry, by }: { readonly registry: Registry; readonly by: string },
): Promise<TimedOut> {
  return registry.stuck.timeOut(found.map((idle) => toFinding(idle, by)).filter((finding) => finding !== undefined));
}

/** Ends the browsers of the sessions, after their programs had the time to do it. Returns the failures. */
export async function endTimedOut(
  sessions: readonly StoredSession[],
  options: EndOptions,
): Promise<StuckReset['failures']> {
  const { heartbeatIntervalMs, log } = options;
  const failures: { sessionId: string; message: string }[] = [];
  const left = [...sessions];
  const graceMs = graceFor(heartbeatIntervalMs);
  let noticed: Promise<void> | undefined;
  const endThem = async () => {
    for (let session = left.pop(); session !== undefined; session = left.pop()) {
      try {
        // A session at a shared endpoint has no process that could be checked.
        if (session.endpoint !== null && !isAbandoned(session)) await (noticed ??= delay(graceMs));
        await endLeftovers(session, { ...options, graceMs: isAwake(session) ? graceMs : 0 });
      } catch (thrown) {
        const { message } = toError(thrown);
        failures.push({ sessionId: session.id, message });
        log.warn('The browser of a session that was timed out could not be ended', {
          session: session.id,
          reason: message,
        });
      }
    }
  };
  await Promise.all(Array.from({ length: SIMULTANEOUS_RESETS }, endThem));
  return failures;
}

/** Returns, for example, `no progress for 34 min, and 31 min are allowed`. */
export function describeIdle({ idleMs, allowedMs, runId }: Pick<Idle, 'idleMs' | 'allowedMs' | 'runId'>): string {
  const what = runId === null ? 'no command' : 'no progress';
  return `${what} for ${describeSpan(idleMs)}, and ${describeSpan(allowedMs)} are allowed`;
}

function toFinding(idle: Idle, by: string): StuckFinding | undefined {
  const { runId, sessionId, lastProgressAt: seenAt } = idle;
  const message = `${describeIdle(idle)}; timed out by ${by}`;
  if (runId !== null) return { runId, seenAt, message };
  return sessionId === null ? undefined : { sessionId, seenAt, message };
}
