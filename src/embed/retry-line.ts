/** Makes the line that reports that a test is run again. */
import { toPlainLine } from '../core/plain-text.ts';
import { redactText } from '../core/redact.ts';
import { describeDiagnosis } from '../model/death-words.ts';
import type { SuperviseRetry } from './supervise.ts';

export interface RetryLineOptions extends SuperviseRetry {
  /** The name of the test; undefined if the framework does not provide it. */
  readonly test: string | undefined;
}

/** Returns one line, without a line break, with the test, the cause of the death and the number of the next attempt. */
export function describeRetry({ test, death, attempt }: RetryLineOptions): string {
  const { cause, detectedBy, evidence, diagnosis } = death;
  const why = describeDiagnosis(diagnosis);
  const name = test === undefined ? 'a test' : `the test "${test}"`;
  return toPlainLine(
    redactText(
      `webdriver-supervisor: the browser died during ${name} (${cause}, noticed by ${detectedBy}: ${evidence.message}${why === '' ? '' : `; ${why}`}). ` +
        `The test is run again on a new session, attempt ${attempt}.`,
    ),
  );
}
