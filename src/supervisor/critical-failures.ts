/**
 * Counts API calls that fail in a row. When there are too many, the cause (the API, or the login of the session) is named from their
 * statuses.
 */
import { SupervisorError } from '../core/errors.ts';

export type CriticalFailureCode = 'api-outage' | 'rate-limited' | 'auth-expired';

/**
 * The session is alive, but so many API calls failed in a row that the run can't continue. `code` names the cause: the API does not work,
 * it accepts no more calls for now, or it no longer accepts the session's login.
 */
export class CriticalFailureError extends SupervisorError {
  readonly code: CriticalFailureCode;
  readonly consequence = 'abort-run';

  /** Gets its code from the most frequent kind of status. */
  constructor(failures: readonly ApiFailure[]) {
    const code = mostFrequent(failures.map(({ status }) => codeOf(status)));
    const seen = Map.groupBy(failures, ({ status }) => (status === null ? 'no answer' : String(status)));
    const symptoms = [...seen].map(([status, { length }]) => `${length} × ${status}`).join(', ');
    super(
      `${MEANING[code]} (${failures.length} API calls failed in a row: ${symptoms}; the browser session is alive).`,
      { data: { statuses: failures.map(({ status }) => status) } },
    );
    this.code = code;
  }
}

export interface ApiFailure {
  /** The HTTP status; null if there was no answer. */
  readonly status: number | null;
}

export const DEFAULT_FAILURE_THRESHOLD = 10;

const MEANING: Readonly<Record<CriticalFailureCode, string>> = {
  'api-outage': 'The API does not work',
  'rate-limited': 'The API accepts no more calls for now: lower the concurrency or set a rate limit',
  'auth-expired': 'The API no longer accepts the session: log in again in `prepare`',
};

/** Counts consecutive failures. A success ends the streak, and so does a 404, because it is an answer. */
export class FailureStreak {
  readonly #threshold: number;
  #failures: ApiFailure[] = [];

  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  /** Returns the streak when this call makes it reach the threshold, and undefined otherwise, also when it grows further. */
  record(status: number | null): readonly ApiFailure[] | undefined {
    if (!isFailure(status)) {
      this.#failures = [];
      return undefined;
    }
    this.#failures.push({ status });
    return this.#failures.length === this.#threshold ? this.#failures : undefined;
  }

  /** Returns true if only failures have been recorded since `streak` was returned. */
  isUnbroken(streak: readonly ApiFailure[]): boolean {
    return streak === this.#failures;
  }
}

function mostFrequent(codes: readonly CriticalFailureCode[]): CriticalFailureCode {
  const count = (code: CriticalFailureCode) => codes.filter((other) => other === code).length;
  // If counts are equal, the cause that the user can fix best wins.
  const [most = 'api-outage'] = (['auth-expired', 'rate-limited', 'api-outage'] as const).toSorted(
    (a, b) => count(b) - count(a),
  );
  return most;
}

function isFailure(status: number | null): boolean {
  return status === null || status >= 500 || status === 429 || status === 401 || status === 403;
}

function codeOf(status: number | null): CriticalFailureCode {
  if (status === 401 || status === 403) return 'auth-expired';
  return status === 429 ? 'rate-limited' : 'api-outage';
}
