/**
 * Supervised sessions for code that is not an action: scripts and tests. Invariants: each attempt of the user's code runs on one session.
 * If that session dies, the result or error of the attempt is dropped, and the code runs again from its beginning on a new, empty session.
 * An error without a death is an error of the code, and is never retried.
 */
export { DEFAULT_RETRIES, runOnSession, type AttemptSession, type Ending } from './attempt.ts';
export { TestClock, type TimedRunnable } from './test-clock.ts';
export { describeRetry } from './retry-line.ts';
export {
  supervise,
  type SuperviseBody,
  type SuperviseOptions,
  type SuperviseRetry,
  type SuperviseTools,
} from './supervise.ts';
export { supervised, type SupervisedTest, type SupervisedTestBody } from './supervised.ts';
