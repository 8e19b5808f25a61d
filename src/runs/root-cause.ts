/** The result of a run and its root cause, for the summary and the report. */
import type { Death } from '../model/death.ts';
import { isTakenAway, type RunOutcome, type RunStatus } from './outcome.ts';

/** The codes of errors that a death causes because the run could not continue after it. */
const CAUSED_BY_DEATH = ['session-dead', 'session-start-failed', 'restart-limit'];
/** The result as the predicate of a sentence whose subject is the action. */
export const RUN_VERBS: Readonly<Record<RunStatus, string>> = {
  completed: 'completed',
  partial: 'ended with failures',
  failed: 'failed',
  halted: 'was halted',
  timed_out: 'timed out',
  cancelled: 'was cancelled',
};

/** Returns the death that ended the run, if there was one. The error is then only its result. */
export function findRootCause({ status, deaths, error }: RunOutcome): Death | undefined {
  const last = deaths.at(-1);
  const isTimedOut = status === 'timed_out' && last !== undefined && isTakenAway(last);
  const isDeathly = status === 'halted' || isTimedOut || CAUSED_BY_DEATH.includes(error?.code ?? '');
  return status !== 'completed' && isDeathly ? last : undefined;
}
