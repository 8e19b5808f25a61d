/** Announces the steps and items that failed in one entry of `run`. */
import type { Log } from '../../core/log.ts';
import type { StepId } from '../../registry/registry.ts';
import { describeStep } from './step-words.ts';

/** The maximum number of lines about failures that one entry of `run` logs. */
const MAX_LOGGED_FAILURES = 10;

/** The final failure of a step or item. */
export interface StepFailure {
  readonly id: StepId;
  readonly error: Error;
  /** The halt of the session that the step used, if it used one. */
  readonly session: AbortSignal | undefined;
}

export interface StepFailuresOptions {
  readonly log: Log;
  /** Called when a step or item has failed for good, before the failure is stored. Must not throw. */
  readonly onFailure?: ((failure: StepFailure) => void) | undefined;
}

export class StepFailures {
  readonly #options: StepFailuresOptions;
  #logged = 0;

  constructor(options: StepFailuresOptions) {
    this.#options = options;
  }

  /** Reports the failure. */
  report(failure: StepFailure): void {
    this.#options.onFailure?.(failure);
  }

  /** Logs the failure, up to the limit. A thousand failures often have one reason and don't need a thousand lines. */
  log({ id, error }: Pick<StepFailure, 'id' | 'error'>): void {
    const { log } = this.#options;
    this.#logged += 1;
    if (this.#logged < MAX_LOGGED_FAILURES) log.warn(`${describeStep(id)} failed: ${error.message.split('\n', 1)[0]}`);
    else if (this.#logged === MAX_LOGGED_FAILURES) log.warn('Further steps failed; they are only counted');
  }
}
