/** One attempt of the user's code on one session, and what its end means. */
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { deathBehind, untilOver, type CriticalFailureError, type SessionDeathError } from '../supervisor/supervisor.ts';

/** How often code is run again after the death of its session. */
export const DEFAULT_RETRIES = 2;

/** How an attempt ended that did not fail by itself. */
export type Ending<Value> =
  { readonly kind: 'returned'; readonly value: Value } | { readonly kind: 'died'; readonly error: SessionDeathError };

/** The session of an attempt: a supervisor, or what stands for one that is started when it is needed. */
export interface AttemptSession {
  /** Aborts when the session dies or ends, with the error of that. */
  readonly signal: AbortSignal;
  readonly criticalFailure: CriticalFailureError | undefined;
  /** Asks the session whether it lives, so that its death is declared. */
  checkSessionHealth(): Promise<unknown>;
}

export interface AttemptOptions {
  /** Ends the attempt. */
  readonly signal: AbortSignal;
  /** Names the code in the log. */
  readonly name: string;
  readonly log: Log;
}

/**
 * Runs `work` on `session`. A value counts only if the session is proven alive, or was ended by `work` itself:
 * code that swallowed the error of a death may have returned anything. Rejects with the error of `work` if the session lives, and with the
 * reason of `signal` if that ended it.
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
  // The errors of the calls that the API was given up for may have been swallowed, too.
  if (session.criticalFailure !== undefined) throw session.criticalFailure;
  return { kind: 'returned', ...result };
}
