/** Runs one attempt of the user's code on one session, and decides whether its result counts. */
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { deathBehind, untilOver, type CriticalFailureError, type SessionDeathError } from '../supervisor/supervisor.ts';

/** The maximum number of further attempts after deaths of the session. */
export const DEFAULT_RETRIES = 2;

/** The end of an attempt whose code did not fail by itself. */
export type Ending<Value> =
  { readonly kind: 'returned'; readonly value: Value } | { readonly kind: 'died'; readonly error: SessionDeathError };

/** The session of an attempt: a supervisor, or an object that starts one when it is needed. */
export interface AttemptSession {
  /** Aborts when the session dies or ends. The reason is the error of the death or the end. */
  readonly signal: AbortSignal;
  readonly criticalFailure: CriticalFailureError | undefined;
  /** Probes the session, so that a death is declared. */
  checkSessionHealth(): Promise<unknown>;
}

export interface AttemptOptions {
  /** Ends the attempt when it aborts. */
  readonly signal: AbortSignal;
  /** The name of the code in the log. */
  readonly name: string;
  readonly log: Log;
}

/**
 * Runs `work` on `session`. Its value counts only if a probe finds the session alive afterwards, or if `work` itself ended the session,
 * because code that ignored the error of a death may return a wrong value. Rejects with the error of `work` if the session is alive, and
 * with the reason of `signal` if that aborted.
 */
export async function runOnSession<Value>(
  session: AttemptSession,
  work: () => Value | Promise<Value>,
  { signal, name, log }: AttemptOptions,
): Promise<Ending<Value>> {
  let result: { readonly value: Value } | { readonly failure: unknown };
  try {
    result = { value: await untilOver(name, async () => work(), { session: session.signal, run: signal, log }) };
  } catch (thrown) {
    if (signal.aborted) throw toError(signal.reason);
    result = { failure: thrown };
  }
  await session.checkSessionHealth();
  const death = await deathBehind('failure' in result ? result.failure : undefined, session.signal);
  if (death !== undefined) return { kind: 'died', error: death };
  if ('failure' in result) throw result.failure;
  // `work` may have ignored the errors of the API calls that failed too often.
  if (session.criticalFailure !== undefined) throw session.criticalFailure;
  return { kind: 'returned', ...result };
}
