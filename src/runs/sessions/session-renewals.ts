/**
 * Ends an entry of `run` whose session is alive and unusable or due to be renewed, or was ended by a batch item, so that `run` is entered
 * again on a new session. This is not a death: it is not stored, and it does not count against an item.
 */
import type { SessionDeathError, SessionSupervisor } from '../../supervisor/supervisor.ts';
import { MAX_FRUITLESS_RENEWALS, SessionUnusableError, type UNUSABLE_REASONS } from '../errors.ts';
import { isTakenAway, type RunCounts } from '../outcome.ts';
import type { Retirement } from './retirement.ts';

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
  #hasProgress = false;
  #reason: string | undefined;
  readonly retirement: Retirement;

  constructor(retirement: Retirement) {
    this.retirement = retirement;
  }

  /** Why the current entry ended before its session died; undefined if the session has to be renewed for no reason of its own. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Notes that `run` is entered. Returns the signal that ends this entry. */
  enter(): AbortSignal {
    this.#entry = new AbortController();
    this.#hasProgress = false;
    this.#reason = undefined;
    return this.#entry.signal;
  }

  /** Ends the current entry of `run`. Returns the error to throw. */
  ask(reason: keyof typeof UNUSABLE_REASONS): SessionUnusableError {
    const error = new SessionUnusableError(reason);
    this.#entry.abort(error);
    return error;
  }

  /** Notes that the current entry has finished a unit of work. Without that, a renewal would not end. */
  noteProgress(): void {
    this.#hasProgress = true;
  }

  /** Ends the current entry of `run` if its session is due to be renewed. Called when no work is in flight, before the next begins. */
  endIfDue(supervisor: SessionSupervisor): void {
    if (!this.#hasProgress || this.#entry.signal.aborted) return;
    this.#reason = this.retirement.reasonFor(supervisor);
    if (this.#reason !== undefined) this.ask('retired');
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
