/** Wraps the functions of tests and hooks, so that Mocha runs them as if they were not wrapped. */
import { promisify } from 'node:util';

import type { Context, Done, Hook, Runnable, Suite } from 'mocha';

/** Called instead of a function. `call` calls the function, and settles as it does. */
export type Around = (runnable: Runnable, call: () => Promise<void>) => Promise<void>;

type TestFunction = (this: Context, done?: Done) => unknown;

/** Functions that must not be wrapped: wrappers, and hooks of the plug-in. */
const own = new WeakSet<object>();

/** Prevents that a function is wrapped. Returns the function. */
export function markAsOwn<Fn extends object>(fn: Fn): Fn {
  own.add(fn);
  return fn;
}

/** Replaces the function of a test or hook by one that calls `around`, also in clones that Mocha makes of the test. */
export function wrapRunnable(runnable: Runnable, around: Around): void {
  const original = runnable.fn as TestFunction | undefined;
  if (original === undefined || own.has(original)) return;
  runnable.fn = markAsOwn(original.length > 0 ? wrapCallback(original, around) : wrapPromise(original, around));
}

/**
 * Returns the hooks of one kind of a suite and of all suites around it. They are in an undocumented property of Mocha. If it is missing,
 * hooks are not wrapped.
 */
export function hooksOf(suite: Suite | undefined, kind: 'beforeEach' | 'afterEach'): Hook[] {
  if (suite === undefined) return [];
  const hooks: unknown = Reflect.get(suite, `_${kind}`);
  return [...hooksOf(suite.parent, kind), ...(Array.isArray(hooks) ? (hooks as Hook[]) : [])];
}

function wrapPromise(original: TestFunction, around: Around): (this: Context) => Promise<void> {
  return function (this: Context) {
    return around(this.runnable(), async () => void (await original.call(this)));
  };
}

function wrapCallback(original: TestFunction, around: Around): (this: Context, done: Done) => void {
  return function (this: Context, done) {
    const call = promisify<void>((ended) => original.call(this, ended));
    const run = async () => {
      try {
        await around(this.runnable(), call);
      } catch (failure) {
        done(failure);
        return;
      }
      done();
    };
    void run();
  };
}
