/** Waits for the code of an action, until its session dies or its run is stopped. */
import { raceSignal, settlesWithin } from '../core/abort.ts';
import type { Log } from '../core/log.ts';
import { SessionDeathError } from '../supervisor/supervisor.ts';

/** The time that the code of an action has to end after its session's death or after a cancel. Afterwards it is abandoned. */
const LEAVE_LIMIT_MS = 5_000;

export interface UntilOverOptions {
  /** The session's halt. A session that ended on request does not stop the wait. */
  readonly session: AbortSignal;
  /** Aborts when the run is stopped. */
  readonly run: AbortSignal;
  readonly log: Log;
}

/** Settles as `code` does. Rejects with the reason when the session dies or the run is stopped. `what` names the code in the log. */
export async function untilOver(
  what: string,
  code: () => Promise<void>,
  { session, run, log }: UntilOverOptions,
): Promise<void> {
  const death = Promise.withResolvers<never>();
  const onEnd = () => session.reason instanceof SessionDeathError && death.reject(session.reason);
  if (session.aborted) onEnd();
  session.addEventListener('abort', onEnd, { once: true });
  const running = code();
  try {
    await raceSignal(Promise.race([running, death.promise]), run);
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
