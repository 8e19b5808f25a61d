/** The errors of a single step that do not come from its code. */
import { SupervisorError } from '../../core/errors.ts';
import { describeSpan } from '../../core/time-words.ts';
import type { SessionDeathError } from '../../supervisor/supervisor.ts';
import { describeStep, startSentence, type LedgerEntry } from '../replay/ledger.ts';

/** Too many sessions died while this step ran. It is given up, so that one bad page does not end the run. */
export class PoisonedStepError extends SupervisorError {
  readonly code = 'step-poisoned';
  readonly consequence = 'fail-step';

  constructor({ id, deaths }: LedgerEntry, death: SessionDeathError) {
    super(
      `${startSentence(describeStep(id))} was given up: ${deaths.length} sessions died while it ran, the last one by ${death.death.cause}.`,
      { cause: death, data: { step: id, deaths: deaths.length } },
    );
  }
}

/** A step took longer than its `timeoutMs`. Values and records that come later are dropped. */
export class StepTimedOutError extends SupervisorError {
  readonly code = 'step-timed-out';
  readonly consequence = 'fail-step';

  constructor({ id }: LedgerEntry, timeoutMs: number) {
    super(
      `${startSentence(describeStep(id))} took longer than ${describeSpan(timeoutMs)} and was ended. Raise its \`timeoutMs\` if it may take so long.`,
      { data: { step: id, timeoutMs } },
    );
  }
}
