/**
 * Supervised sessions for code that is no action: scripts and tests. Rules of this module: each piece of the user's code runs on one
 * session; if that session dies, whatever the code returned or threw is dropped and the code runs again from its top on a new one, which
 * begins empty; an error without a death is the code's own, and is never retried.
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
