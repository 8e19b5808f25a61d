/** How a single step can fail by itself, whatever its code does. */
import { SupervisorError } from '../../core/errors.ts';
import { describeSpan } from '../../core/time-words.ts';
import type { SessionDeathError } from '../../supervisor/supervisor.ts';
import { describeStep, startSentence, type LedgerEntry } from '../replay/ledger.ts';

/** Sessions died again and again while this step ran: it is given up, so that one bad page does not use up the run. */
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

/** A step took longer than its `timeoutMs`. What it returns or saves later is dropped. */
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
