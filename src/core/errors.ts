/**
 * The consequence of an error for its caller: retry the same work, fail the step, halt the session (the work can continue with the next
 * one), or abort the run.
 */
export type Consequence = 'retry' | 'fail-step' | 'halt-session' | 'abort-run';

export interface SupervisorErrorOptions extends ErrorOptions {
  /** The facts behind the message, safe to log: plain JSON without secrets. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/**
 * The base class of all errors that this library throws on purpose. `code` is stable between releases, so programs can compare it.
 * `message` is for users. It contains the problem and the next step.
 */
export abstract class SupervisorError extends Error {
  /** A stable text in kebab-case. */
  abstract readonly code: string;
  abstract readonly consequence: Consequence;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(message: string, { data = {}, ...options }: SupervisorErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.data = data;
  }
}

/** A setting, flag or file can't be used. Thrown before any work starts. The message names the setting and the allowed values. */
export class ConfigError extends SupervisorError {
  readonly code = 'invalid-config';
  readonly consequence = 'abort-run';
}

/** The author's code breaks a rule of actions or batches. The message names the rule and the solution. A retry does not help. */
export class ActionError extends SupervisorError {
  readonly code = 'action-error';
  readonly consequence = 'abort-run';
}

/**
 * A failure that a retry can't change, such as an item that does not exist. It ends the retries of its step, item or call, and fails only
 * that.
 */
export class NonRetryableError extends SupervisorError {
  readonly code: string = 'non-retryable';
  readonly consequence = 'fail-step';
}

/** The work was cancelled by the caller or by the user's Ctrl+C. */
export class CancelledError extends SupervisorError {
  readonly code = 'cancelled';
  readonly consequence = 'abort-run';

  constructor(reason = 'The work was cancelled.', options?: SupervisorErrorOptions) {
    super(reason, options);
  }
}

/** A wait exceeded its limit. */
export class DeadlineError extends SupervisorError {
  readonly code = 'deadline-exceeded';
  readonly consequence = 'fail-step';

  constructor(what: string, limitMs: number) {
    super(`${what} took longer than ${limitMs} ms.`, { data: { what, limitMs } });
  }
}

/** An internal invariant was violated: a bug of this library, never an error of the caller. */
export class InvariantError extends SupervisorError {
  readonly code = 'broken-invariant';
  readonly consequence = 'abort-run';
}

/** Returns a thrown value as an Error. JavaScript allows `throw 'text'`; code that calls this function does not have to handle that. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  const message = typeof thrown === 'string' ? thrown : `A value that is not an Error was thrown: ${toText(thrown)}`;
  return new Error(message, { cause: thrown });
}

/** Returns the stack of an error. `Error.prepareStackTrace` can make it something else than a text; the result is name and message then. */
export function stackOf(error: Error): string {
  const stack: unknown = error.stack;
  return typeof stack === 'string' ? stack : `${error.name}: ${error.message}`;
}

/** The result of {@link describeError}: the parts of an error that a report needs, independent of the error's class. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
}

/** Returns `code` and `message` of a thrown value, for outcomes and stored rows. Errors of other libraries get the code `error`. */
export function describeError(thrown: unknown): ErrorReport {
  const error = toError(thrown);
  return { code: error instanceof SupervisorError ? error.code : 'error', message: error.message || error.name };
}

function toText(value: unknown): string {
  try {
    return String(value);
  } catch {
    // The value is an object without a prototype, or its `toString` throws.
    return Object.prototype.toString.call(value);
  }
}
