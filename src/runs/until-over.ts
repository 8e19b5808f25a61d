/** Waits for the author's code, and no longer than its session and its run live. */
import { raceSignal, settlesWithin } from '../core/abort.ts';
import type { Log } from '../core/log.ts';
import { SessionDeathError } from '../supervisor/supervisor.ts';

/** Code of an action that goes on after its session's death, or after a cancel, is waited for this long, then left behind. */
const LEAVE_LIMIT_MS = 5_000;

export interface UntilOverOptions {
  /** The session's halt. An end of the session that was asked for is no reason to stop. */
  readonly session: AbortSignal;
  /** The end of the run. */
  readonly run: AbortSignal;
  readonly log: Log;
}

/** Settles as `code` does; when the session dies or the run is stopped, rejects with that. `what` names the code in the log. */
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
        `\`${what}\` did not end when it was told to. It is left behind, and nothing that it still does is stored.`,
      );
    }
    throw thrown;
  } finally {
    session.removeEventListener('abort', onEnd);
    death.promise.catch(() => undefined);
  }
}
