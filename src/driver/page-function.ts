/** Runs a function in the page itself, beside the commands. It does not change the frame, the timeouts or the queue of the session. */
import { raceSignal } from '../core/abort.ts';
import type { DevTools } from './devtools.ts';
import { DevToolsClosedError, PageUnreachableError } from './devtools-errors.ts';

export interface PageFunction {
  /** The source of a function. Its `this` is an `AbortController` in the page, which is aborted with `signal`. */
  readonly source: string;
  /** Plain JSON. */
  readonly argument: unknown;
  readonly signal: AbortSignal;
}

/** Longer than any limit of a call; `signal` ends the call earlier. */
const NO_LIMIT_MS = 86_400_000;

/**
 * Returns the function's result in the main frame of the page, which must be plain JSON. Rejects with the reason of `signal`, with the
 * function's error, or if the page navigates away.
 */
export async function callInPage(
  devtools: DevTools,
  handle: string,
  { source, argument, signal }: PageFunction,
): Promise<unknown> {
  if (devtools.isDialogOpen(handle))
    throw new PageUnreachableError('an alert is open in the page and blocks its scripts. Accept or dismiss it first');
  const made = devtools.callPage(handle, 'Runtime.evaluate', { expression: 'new AbortController()' });
  const { result } = (await raceSignal(made, signal)) as { result: { objectId: string } };
  const controller = { objectId: result.objectId };
  const abort = () => {
    const params = { ...controller, functionDeclaration: 'function () { this.abort(); }' };
    devtools.callPage(handle, 'Runtime.callFunctionOn', params).catch(() => undefined);
  };
  signal.addEventListener('abort', abort, { once: true });
  // Chromium freezes a page that was navigated away from, so that the user can go back. Its scripts do not answer for many seconds
  // (measured).
  const left = Promise.withResolvers<never>();
  const stopListening = devtools.listen(handle, ({ method, params: { frame } }) => {
    if (method !== 'Page.frameNavigated' || (frame as { parentId?: string }).parentId !== undefined) return;
    abort();
    left.reject(new Error('the page navigated away'));
  });
  try {
    const params = {
      ...controller,
      functionDeclaration: source,
      arguments: [{ value: argument }],
      awaitPromise: true,
      returnByValue: true,
    };
    const answer = devtools.callPage(handle, 'Runtime.callFunctionOn', params, { limitMs: NO_LIMIT_MS });
    const { result: returned, exceptionDetails } = (await raceSignal(Promise.race([answer, left.promise]), signal)) as {
      result: { value?: unknown };
      exceptionDetails?: { exception?: { description?: string }; text: string };
    };
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return returned.value;
  } finally {
    signal.removeEventListener('abort', abort);
    stopListening();
    devtools.callPage(handle, 'Runtime.releaseObject', controller).catch(() => undefined);
  }
}

/** Throws the error for a session without DevTools: its connection is being restored, or the browser offers none. */
export function throwWithoutDevTools(wasConnected: boolean): never {
  if (wasConnected) throw new DevToolsClosedError('the DevTools connection is being restored');
  throw new PageUnreachableError('the session offers no DevTools, which calls in the page need');
}
