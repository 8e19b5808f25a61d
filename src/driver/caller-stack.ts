/**
 * Adds the caller's stack to the errors of commands. Selenium makes its errors when an answer arrives, so that their own stacks contain no line
 * of the program that called.
 */
import { error as errors, WebElementPromise, type WebDriver } from 'selenium-webdriver';

/** Makes the errors of `driver`, of its elements and of its waits name the calling code. */
export function addCallerStacks(driver: WebDriver): void {
  const execute = driver.execute.bind(driver);
  driver.execute = function command(...call) {
    return withStackOf(command, () => execute(...call));
  };
  const wait = driver.wait.bind(driver) as (...call: unknown[]) => Promise<unknown>;
  driver.wait = function waitFor(...call: unknown[]) {
    let waiting: Promise<unknown> | undefined;
    const result = withStackOf(waitFor, () => (waiting = wait(...call)));
    return waiting instanceof WebElementPromise ? new WebElementPromise(driver, result as never) : result;
  } as WebDriver['wait'];
}

/** Calls `start`. Its error gets the frames above `caller`, before the frames that the engine found by itself. */
function withStackOf<Value>(caller: (...call: never[]) => unknown, start: () => Promise<Value>): Promise<Value> {
  const captured: { stack?: string } = {};
  Error.captureStackTrace(captured, caller);
  return start().catch((thrown: unknown) => {
    // Errors of this package can belong to several calls at once.
    if (thrown instanceof errors.WebDriverError) addFrames(thrown, framesOf(captured.stack));
    throw thrown;
  });
}

/** The errors that have got frames. A condition of `wait` can throw one error again and again, which would otherwise grow each time. */
const completed = new WeakSet<Error>();

function addFrames(error: Error, frames: string): void {
  const stack: unknown = error.stack ?? String(error);
  if (typeof stack !== 'string' || frames === '' || completed.has(error)) return;
  completed.add(error);
  const asyncFrames = stack.search(/\n {4}at async /);
  const end = asyncFrames === -1 ? stack.length : asyncFrames;
  error.stack = stack.slice(0, end) + frames + stack.slice(end);
}

/** The frames of a stack, without its first line. A program can set `Error.prepareStackTrace`, so that stacks are no texts. */
function framesOf(stack: unknown): string {
  if (typeof stack !== 'string') return '';
  const begin = stack.search(/\n {4}at /);
  return begin === -1 ? '' : stack.slice(begin);
}
