/** Times out what is stuck: its rows first, so that its process learns of it, then what of it runs on this machine. */
import type { StoredSession } from '../model/session.ts';
import { delay } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { describeSpan } from '../core/time-words.ts';
import type { Registry, StuckFinding, TimedOut } from '../registry/registry.ts';
import { endRemains, graceFor, isAbandoned, isAwake, type ReaperOptions } from './reaper.ts';
import type { Idle } from './stuck.ts';

/** Processes of so many sessions are ended at a time. */
const AT_ONCE = 8;

export interface StuckReset {
  readonly runIds: readonly string[];
  readonly sessionIds: readonly string[];
  /** Sessions whose processes could not be ended, with the reason; their rows are timed out nevertheless. */
  readonly failures: readonly { readonly sessionId: string; readonly message: string }[];
}

export interface EndOptions extends ReaperOptions {
  readonly heartbeatIntervalMs: number;
}

/** Both, one after the other. */
export async function resetStuck(
  found: readonly Idle[],
  options: EndOptions & { readonly by: string },
): Promise<StuckReset> {
  const { runIds, sessions } = await timeOutStuck(found, options);
  const failures = await endTimedOut(sessions, options);
  return { runIds, sessionIds: sessions.map(({ id }) => id), failures };
}

/** What has moved since it was found is left alone. `by` says who does it, for the rows. */
export function timeOutStuck(
  found: readonly Idle[],
  { registry, by }: { readonly registry: Registry; readonly by: string },
): Promise<TimedOut> {
  return registry.stuck.timeOut(found.map((idle) => toFinding(idle, by)).filter((finding) => finding !== undefined));
}

/** Their browsers, after their programs had the time to do it. Returns what could not be ended. */
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
        // At a shared endpoint there is no process to look at.
        if (session.endpoint !== null && !isAbandoned(session)) await (noticed ??= delay(graceMs));
        await endRemains(session, { ...options, graceMs: isAwake(session) ? graceMs : 0 });
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
  await Promise.all(Array.from({ length: AT_ONCE }, endThem));
  return failures;
}

/** `no progress for 34 min, and 31 min are allowed`. */
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
