/** Waits that can be aborted. Every wait takes a signal, removes its listener when it ends, and throws `signal.reason` unchanged. */
import { setTimeout as sleep } from 'node:timers/promises';

import { CancelledError, DeadlineError, toError } from './errors.ts';

/**
 * The reason with which a wait is aborted whose result is not needed any more. It is one shared error, because the creation of an error, which
 * `abort()` without a reason does, takes a noticeable part of the work of a death.
 */
export const NOT_NEEDED: Error = new CancelledError('The result of this wait is not needed any more.');

/** Settles as `work` does, or rejects with `signal.reason` as soon as the signal aborts. A later rejection of `work` is ignored. */
export async function raceSignal<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(toError(signal.reason));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    work.catch(() => undefined);
  }
}

/** Settles as `work` does, or rejects with {@link DeadlineError} after `limitMs`. The error's message begins with `what`. */
export async function withDeadline<Value>(work: Promise<Value>, limitMs: number, what: string): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new DeadlineError(what, limitMs)), limitMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}

/** Resolves with true if `work` settles (resolves or rejects) within `limitMs`, otherwise with false. Never rejects. */
export async function settlesWithin(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  const settled = work.then(
    () => true,
    () => true,
  );
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, limitMs, false);
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits at most `limitMs` milliseconds for `work`. Resolves with whether it was fulfilled by then. Never rejects. */
export async function succeedsWithin(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  let isFulfilled = false;
  const noted = work.then(
    () => (isFulfilled = true),
    () => undefined,
  );
  await settlesWithin(noted, limitMs);
  return isFulfilled;
}

/** Waits `ms` milliseconds. Rejects with `signal.reason` if the signal aborts first. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal === undefined) return sleep(ms);
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  // Node's own `signal` option creates an error of its own at each abort.
  const onAbort = () => reject(toError(signal.reason));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Combines the given signals into one; null and undefined are ignored. */
export function anySignal(...signals: (AbortSignal | null | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined && signal !== null));
}
