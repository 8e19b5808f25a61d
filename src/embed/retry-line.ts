/** The line of a report about a test that is run again. */
import { toPlainLine } from '../core/plain-text.ts';
import { redactText } from '../core/redact.ts';
import type { SuperviseRetry } from './supervise.ts';

export interface RetryLineOptions extends SuperviseRetry {
  /** Undefined if the framework does not report it. */
  readonly test: string | undefined;
}

/** One line without its line break: the test, the cause of the death, and that the test is run again. */
export function describeRetry({ test, death, attempt }: RetryLineOptions): string {
  const { cause, detectedBy, evidence } = death;
  const name = test === undefined ? 'a test' : `the test "${test}"`;
  return toPlainLine(
    redactText(
      `webdriver-supervisor: the browser died during ${name} (${cause}, noticed by ${detectedBy}: ${evidence.message}). ` +
        `The test is run again on a new session, attempt ${attempt}.`,
    ),
  );
}
