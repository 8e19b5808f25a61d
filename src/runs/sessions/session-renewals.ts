/**
 * Ends an entry of `run` whose session is alive and unusable, or was ended by a batch item, so that `run` is entered again on a new
 * session. This is not a death: it is not stored, and it does not count against an item.
 */
import { SupervisorError } from '../../core/errors.ts';
import type { SessionDeathError } from '../../supervisor/supervisor.ts';
import { isTakenAway, type RunCounts } from '../outcome.ts';

/** The maximum number of consecutive entries of `run` that lose their session without a finished item. */
const MAX_FRUITLESS_RENEWALS = 3;

/** How an entry of `run` ended. */
export type Ending =
  | { readonly kind: 'returned' }
  | { readonly kind: 'died'; readonly error: SessionDeathError }
  | { readonly kind: 'unusable'; readonly error: Error }
  | { readonly kind: 'failed'; readonly error: Error };

const REASONS = {
  ended: 'an item of a batch ended it, by `driver.quit()` or by closing its last window',
  stuck: 'an item of a batch left a page in it that does not answer',
} as const;

/** Further items can't use the run's own session. The run continues with a new one. */
export class SessionUnusableError extends SupervisorError {
  readonly code = 'session-unusable';
  readonly consequence = 'abort-run';

  constructor(reason: keyof typeof REASONS) {
    super(
      `The run needs another browser session: ${REASONS[reason]}. If this ended the run, ${MAX_FRUITLESS_RENEWALS} sessions in a row were ` +
        'lost this way without a finished item, or recovery is off. Let the action leave the session usable.',
      { data: { reason } },
    );
  }
}

export class SessionRenewals {
  #entry = new AbortController();
  #finished = 0;
  #fruitless = 0;

  /** Notes that `run` is entered. Returns the signal that ends this entry. */
  enter(): AbortSignal {
    this.#entry = new AbortController();
    return this.#entry.signal;
  }

  /** Ends the current entry of `run`. Returns the error to throw. */
  ask(reason: keyof typeof REASONS): SessionUnusableError {
    const error = new SessionUnusableError(reason);
    this.#entry.abort(error);
    return error;
  }

  /** Returns whether `run` must be entered again, given how the last entry ended and the current counts. */
  isNewEntryDue(ending: Ending, { done, failed, skipped }: RunCounts): boolean {
    if (ending.kind === 'died') return !isTakenAway(ending.error.death);
    if (ending.kind !== 'unusable') return false;
    const finished = done + failed + skipped;
    this.#fruitless = finished > this.#finished ? 0 : this.#fruitless + 1;
    this.#finished = finished;
    return this.#fruitless < MAX_FRUITLESS_RENEWALS;
  }
}
