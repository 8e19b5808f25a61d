/**
 * Waiting that can be ended. Every wait takes a signal, removes its listener when it is over, and throws `signal.reason` as it is.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { DeadlineError, toError } from './errors.ts';

/** Settles as `work` does, or rejects with `signal.reason` as soon as that aborts; the loser's late rejection is swallowed. */
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

/** Settles as `work` does, or rejects with {@link DeadlineError} after `limitMs`. `what` begins the error's message. */
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

/** Whether `work` settled (either way) within `limitMs`. Never rejects. */
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

/** Waits `ms`; rejects with `signal.reason` when that aborts first. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal === undefined) return sleep(ms);
  signal.throwIfAborted();
  try {
    await sleep(ms, undefined, { signal });
  } catch (thrown) {
    throw signal.aborted ? toError(signal.reason) : thrown;
  }
}

/** The signals that are there, as one; undefined ones are passed over. */
export function anySignal(...signals: (AbortSignal | null | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined && signal !== null));
}
