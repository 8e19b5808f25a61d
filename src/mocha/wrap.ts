/** Puts code of ours around the functions of tests and hooks, so that mocha notices nothing of it. */
import { promisify } from 'node:util';

import type { Context, Done, Hook, Runnable, Suite } from 'mocha';

/** Called in place of a function; `call` calls it, and settles as it does. */
export type Around = (runnable: Runnable, call: () => Promise<void>) => Promise<void>;

type TestFunction = (this: Context, done?: Done) => unknown;

/** Our own functions, which are never wrapped. */
const wrapped = new WeakSet<object>();

/** Keeps a hook of ours from being wrapped. */
export function markAsOwn<Fn extends object>(fn: Fn): Fn {
  wrapped.add(fn);
  return fn;
}

/** Has `around` called in place of the function of a test or hook, each time that it is run, and also when mocha runs a clone of it. */
export function wrapRunnable(runnable: Runnable, around: Around): void {
  const original = runnable.fn as TestFunction | undefined;
  if (original === undefined || wrapped.has(original)) return;
  runnable.fn = markAsOwn(original.length > 0 ? wrapCallback(original, around) : wrapPromise(original, around));
}

/** The hooks of one kind of a suite and of all suites around it. Mocha offers them by no documented name: without them hooks are not wrapped. */
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
