/**
 * What an error means for whoever meets it: try the same again, give up this step, give up this session (the work can go on
 * with the next one), or give up the run.
 */
export type Consequence = 'retry' | 'fail-step' | 'halt-session' | 'abort-run';

export interface SupervisorErrorOptions extends ErrorOptions {
  /** Facts behind the message, safe to log: plain JSON, no secrets. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/**
 * The root of every error that this library throws on purpose. `code` is stable between releases: programs compare it, people
 * read `message`, which says what happened and what to do next.
 */
export abstract class SupervisorError extends Error {
  /** Stable, kebab-case. */
  abstract readonly code: string;
  abstract readonly consequence: Consequence;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(message: string, { data = {}, ...options }: SupervisorErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.data = data;
  }
}

/** A setting, flag or file that can't be used. Thrown before any work starts; names the setting and what is allowed. */
export class ConfigError extends SupervisorError {
  readonly code = 'invalid-config';
  readonly consequence = 'abort-run';
}

/** The author's code breaks a rule of actions or batches. The message names the rule and the way out; repeating it is of no use. */
export class ActionError extends SupervisorError {
  readonly code = 'action-error';
  readonly consequence = 'abort-run';
}

/**
 * A failure that no repetition can change, such as an item that does not exist. It ends the retries of its step, item or call, and
 * fails only that.
 */
export class NonRetryableError extends SupervisorError {
  readonly code: string = 'non-retryable';
  readonly consequence = 'fail-step';
}

/** The caller, or a person's Ctrl+C, asked for the work to end. */
export class CancelledError extends SupervisorError {
  readonly code = 'cancelled';
  readonly consequence = 'abort-run';

  constructor(reason = 'The work was cancelled.', options?: SupervisorErrorOptions) {
    super(reason, options);
  }
}

/** A wait that ran into its limit. */
export class DeadlineError extends SupervisorError {
  readonly code = 'deadline-exceeded';
  readonly consequence = 'fail-step';

  constructor(what: string, limitMs: number) {
    super(`${what} took longer than ${limitMs} ms.`, { data: { what, limitMs } });
  }
}

/** An internal law was broken: our bug, never the caller's. */
export class InvariantError extends SupervisorError {
  readonly code = 'broken-invariant';
  readonly consequence = 'abort-run';
}

/** Anything thrown, as an Error. JavaScript allows `throw 'text'`; everything behind this line needn't. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  const message = typeof thrown === 'string' ? thrown : `A value that is no Error was thrown: ${toText(thrown)}`;
  return new Error(message, { cause: thrown });
}

/** What {@link describeError} tells of an error: enough for a report, nothing that depends on its class. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
}

/** `code` and `message` of anything thrown, for outcomes and stored rows. Foreign errors get the code `error`. */
export function describeError(thrown: unknown): ErrorReport {
  const error = toError(thrown);
  return { code: error instanceof SupervisorError ? error.code : 'error', message: error.message || error.name };
}

function toText(value: unknown): string {
  try {
    return String(value);
  } catch {
    // An object without a prototype, or whose toString throws.
    return Object.prototype.toString.call(value);
  }
}
