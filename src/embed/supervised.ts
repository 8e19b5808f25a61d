/** `supervised` makes a test of any framework that gets its own supervised session. */
import { anySignal } from '../core/abort.ts';
import { describeRetry } from './retry-line.ts';
import {
  supervise,
  validateSupervise,
  type SuperviseOptions,
  type SuperviseRetry,
  type SuperviseTools,
} from './supervise.ts';
import { TestClock, type TimedRunnable } from './test-clock.ts';

/** The body of a test. `this` and the arguments after the tools come from the framework. */
export type SupervisedTestBody<This, Args extends readonly unknown[], Value> = (
  this: This,
  tools: SuperviseTools,
  ...args: Args
) => Value | Promise<Value>;

/** A function for `it` or `test`. Its `length` is 0, because frameworks treat a parameter as a callback that ends the test. */
export type SupervisedTest<This, Args extends readonly unknown[], Value> = (
  this: This,
  ...args: Args
) => Promise<Value>;

/**
 * Returns a function for `it()` or `test()` of Mocha, node:test, vitest or jest, which runs `body` with its own browser session. If the
 * browser dies, the test is run again on a new session, and a line on stderr reports it. A test that fails by itself is not run again.
 *
 * In Mocha the time that browsers take to start is added to the test's time limit. In other frameworks the limit covers it, and all attempts.
 *
 * @throws ConfigError if `body` is not a function, or if an option does not exist or has another type.
 *
 * @example
 * it('has a title', supervised(async ({ driver }) => {
 *   await driver.get('https://example.com');
 *   assert.equal(await driver.getTitle(), 'Example Domain');
 * }));
 */
export function supervised<This, Args extends readonly unknown[], Value>(
  body: SupervisedTestBody<This, Args, Value>,
  options: SuperviseOptions = {},
): SupervisedTest<This, Args, Value> {
  validateSupervise('supervised', body, options);
  return async function (this: This, ...args: Args): Promise<Value> {
    const runnable = runnableOf(this);
    const clock = runnable && new TestClock(runnable);
    const test = nameOf(runnable, args[0]);
    const onRetry = async (retry: SuperviseRetry) => {
      process.stderr.write(`${describeRetry({ test, ...retry })}\n`);
      await options.onRetry?.(retry);
    };
    const signal = anySignal(options.signal, signalOf(args[0]));
    const run = async (tools: SuperviseTools) => body.call(this, tools, ...args);
    clock?.pause();
    try {
      return await supervise((tools) => (clock === undefined ? run(tools) : clock.time(() => run(tools))), {
        ...options,
        signal,
        onRetry,
      });
    } finally {
      clock?.resume();
    }
  };
}

/** The part of Mocha's context that is used here. */
interface MochaContext {
  runnable(): TimedRunnable & { fullTitle(): string };
}

/** The part of the first argument of a test in node:test or vitest that is used here. */
interface TestContext {
  readonly fullName?: unknown;
  readonly name?: unknown;
  readonly task?: { readonly name?: unknown };
  readonly signal?: unknown;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function runnableOf(self: unknown): ReturnType<MochaContext['runnable']> | undefined {
  return isObject(self) && 'runnable' in self && typeof self.runnable === 'function'
    ? (self as MochaContext).runnable()
    : undefined;
}

function nameOf(runnable: ReturnType<typeof runnableOf>, context: unknown): string | undefined {
  if (runnable !== undefined) return runnable.fullTitle();
  const { fullName, name, task } = isObject(context) ? (context as TestContext) : {};
  return [fullName, name, task?.name].find((one) => typeof one === 'string');
}

/** Returns the signal with which the framework ends the test, for example at its time limit. */
function signalOf(context: unknown): AbortSignal | undefined {
  const { signal } = isObject(context) ? (context as TestContext) : {};
  return signal instanceof AbortSignal ? signal : undefined;
}
