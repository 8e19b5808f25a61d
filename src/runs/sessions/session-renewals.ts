/**
 * Ends an entry of `run` whose session is alive and unusable, or was ended by a batch item, so that `run` is entered again on a new
 * session. This is not a death: it is not stored, and it does not count against an item.
 */
import type { SessionDeathError } from '../../supervisor/supervisor.ts';
import { MAX_FRUITLESS_RENEWALS, SessionUnusableError, type UNUSABLE_REASONS } from '../errors.ts';
import { isTakenAway, type RunCounts } from '../outcome.ts';

/** How an entry of `run` ended. */
export type Ending =
  | { readonly kind: 'returned' }
  | { readonly kind: 'died'; readonly error: SessionDeathError }
  | { readonly kind: 'unusable'; readonly error: Error }
  | { readonly kind: 'failed'; readonly error: Error };

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
  ask(reason: keyof typeof UNUSABLE_REASONS): SessionUnusableError {
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
