import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

/** Calls a function of the caller. Its failure does not fail the run, also if it is asynchronous. */
export function callBack(name: string, log: Log, call: () => unknown): void {
  const called = new Promise((resolve) => {
    resolve(call());
  });
  called.catch((thrown: unknown) =>
    log.warn(`\`${name}\` failed; the run continues`, { reason: toError(thrown).message }),
  );
}
