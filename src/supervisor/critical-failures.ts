/**
 * Many API calls failing in a row: is it the API, or is it the session behind the cookies? Counts calls as they end, and names the
 * cause from the statuses it saw.
 */
import { SupervisorError } from '../core/errors.ts';

export type CriticalFailureCode = 'api-outage' | 'rate-limited' | 'auth-expired';

/**
 * The session lives, but the API failed so often in a row that going on is of no use. `code` tells how: it is out of order, refuses
 * more calls, or no longer knows the session's login.
 */
export class CriticalFailureError extends SupervisorError {
  readonly code: CriticalFailureCode;
  readonly consequence = 'abort-run';

  /** Named after most of the statuses seen. */
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
  /** Null where no answer came. */
  readonly status: number | null;
}

export const DEFAULT_FAILURE_THRESHOLD = 10;

const MEANING: Readonly<Record<CriticalFailureCode, string>> = {
  'api-outage': 'The API is out of order',
  'rate-limited': 'The API refuses further calls for now: lower the concurrency or set a rate limit',
  'auth-expired': 'The API no longer accepts the session: log in again in `prepare`',
};

/** Counts consecutive failures; a success, or a 404, which is an answer, begins anew. */
export class FailureStreak {
  readonly #threshold: number;
  #failures: ApiFailure[] = [];

  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  /** Returns the streak when this call makes it as long as the threshold; it goes on growing. */
  record(status: number | null): readonly ApiFailure[] | undefined {
    if (!isFailure(status)) {
      this.#failures = [];
      return undefined;
    }
    this.#failures.push({ status });
    return this.#failures.length === this.#threshold ? this.#failures : undefined;
  }

  /** Whether only failures came since. */
  isUnbroken(streak: readonly ApiFailure[]): boolean {
    return streak === this.#failures;
  }
}

function mostFrequent(codes: readonly CriticalFailureCode[]): CriticalFailureCode {
  const count = (code: CriticalFailureCode) => codes.filter((other) => other === code).length;
  // Between equals, what a person can do most about comes first.
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
