/** The entry point to p-retry: attempts with exponential back-off and jitter, under one signal. */
import pRetry from 'p-retry';

import { raceSignal } from './abort.ts';
import { NonRetryableError, SupervisorError, toError } from './errors.ts';

export interface RetryOptions {
  /** The number of attempts after the first. Default 0. */
  readonly retries?: number;
  /** The wait before the first retry; doubles with each attempt, with jitter. Default 200 ms. */
  readonly minDelayMs?: number;
  /** The maximum wait. Default 10 000 ms. */
  readonly maxDelayMs?: number;
  /** Returns whether this failure is retried. Default: {@link isRetryable}. */
  readonly shouldRetry?: (error: Error) => boolean;
  /** Called and awaited after a failure that will be retried, before the back-off. It can wait longer if the other side asked for that. */
  readonly beforeRetry?: (error: Error, attempt: number) => Promise<void> | void;
  readonly signal: AbortSignal;
}

/**
 * Runs `attempt` until it succeeds or its retries are used up. Rejects with the last error, or at once with `signal.reason` if the signal
 * aborts, even while an attempt that ignores the signal still runs (p-retry alone would wait for it).
 */
export async function retry<Value>(
  attempt: (attemptNumber: number) => Promise<Value>,
  { retries = 0, minDelayMs = 200, maxDelayMs = 10_000, shouldRetry = isRetryable, beforeRetry, signal }: RetryOptions,
): Promise<Value> {
  signal.throwIfAborted();
  // p-retry never retries a TypeError that is not a network error. The code of actions may throw any error, so failures are wrapped.
  const attempts = pRetry(
    async (attemptNumber) => {
      try {
        return await attempt(attemptNumber);
      } catch (thrown) {
        throw new FailedAttempt(toError(thrown));
      }
    },
    {
      retries,
      minTimeout: minDelayMs,
      maxTimeout: maxDelayMs,
      randomize: true,
      signal,
      shouldRetry: ({ error }) => !signal.aborted && shouldRetry(unbox(error)),
      onFailedAttempt: async ({ error, attemptNumber, retriesLeft }) => {
        if (retriesLeft > 0 && !signal.aborted && shouldRetry(unbox(error)))
          await beforeRetry?.(unbox(error), attemptNumber);
      },
    },
  ).catch((thrown: unknown) => {
    throw toFailure(unbox(toError(thrown)));
  });
  return raceSignal(attempts, signal);
}

/**
 * Returns false for errors that a retry can't change: {@link NonRetryableError}, p-retry's `AbortError`, and errors of this library that
 * halt the session or abort the run.
 */
export function isRetryable(error: Error): boolean {
  if (error instanceof NonRetryableError || isAbortError(error)) return false;
  return !(error instanceof SupervisorError) || error.consequence === 'retry' || error.consequence === 'fail-step';
}

/** Returns a thrown value as an Error; for p-retry's `AbortError`, the original error. */
export function toFailure(thrown: unknown): Error {
  const error = toError(thrown);
  return isAbortError(error) ? toFailure(error.originalError) : error;
}

/**
 * Returns whether an error is p-retry's `AbortError`. It is recognised by its shape, because an action may use its own p-retry. The
 * platform's `AbortError` has no original error.
 */
function isAbortError(error: Error): error is Error & { readonly originalError: Error } {
  return error.name === 'AbortError' && 'originalError' in error && error.originalError instanceof Error;
}

class FailedAttempt extends Error {
  readonly failure: Error;

  constructor(failure: Error) {
    super(failure.message, { cause: failure });
    this.failure = failure;
  }
}

function unbox(error: Error): Error {
  return error instanceof FailedAttempt ? error.failure : error;
}
