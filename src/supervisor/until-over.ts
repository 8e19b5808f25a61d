/** Waits for the user's code, until its session dies or its caller stops it. */
import { raceSignal, settlesWithin } from '../core/abort.ts';
import type { Log } from '../core/log.ts';
import { SessionDeathError } from '../driver/driver.ts';

/** The time that the user's code has to end after its session's death or after a cancel. Afterwards it is abandoned. */
const LEAVE_LIMIT_MS = 5_000;

export interface UntilOverOptions {
  /** The session's halt. A session that ended on request does not stop the wait. */
  readonly session: AbortSignal;
  /** Aborts when the run is stopped. */
  readonly run: AbortSignal;
  readonly log: Log;
}

/** Settles as `code` does. Rejects with the reason when the session dies or the run is stopped. `what` names the code in the log. */
export async function untilOver<Value>(
  what: string,
  code: () => Promise<Value>,
  { session, run, log }: UntilOverOptions,
): Promise<Value> {
  const death = Promise.withResolvers<never>();
  const onEnd = () => session.reason instanceof SessionDeathError && death.reject(session.reason);
  if (session.aborted) onEnd();
  session.addEventListener('abort', onEnd, { once: true });
  const running = code();
  try {
    return await raceSignal(Promise.race([running, death.promise]), run);
  } catch (thrown) {
    if (!(await settlesWithin(running, LEAVE_LIMIT_MS))) {
      log.warn(
        `\`${what}\` did not stop when its \`signal\` aborted. It is abandoned: nothing that it still does is stored.`,
      );
    }
    throw thrown;
  } finally {
    session.removeEventListener('abort', onEnd);
    death.promise.catch(() => undefined);
  }
}
