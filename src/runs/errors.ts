/** The errors of runs. They are apart from the code that throws them, because a program names them before it runs anything. */
import { SupervisorError } from '../core/errors.ts';
import { describeSpan } from '../core/describe-time.ts';
import { redactText } from '../core/redact.ts';
import { describeReason } from '../model/death-words.ts';
import type { SessionDeathError } from '../supervisor/supervisor.ts';
import type { LedgerEntry } from './replay/ledger.ts';
import { describeStep, startSentence } from './steps/step-words.ts';

/** The maximum number of consecutive entries of `run` that lose their session without a finished item. */
export const MAX_FRUITLESS_RENEWALS = 3;

export const UNUSABLE_REASONS = {
  ended: 'an item of a batch ended it, by `driver.quit()` or by closing its last window',
  retired: 'it has reached a limit of its pages, its age or its memory',
  stuck: 'an item of a batch left a page in it that does not answer',
} as const;

/** An entry of `run` did not do work that earlier entries had begun, so that data may be missing. The run can be resumed. */
export class ReplayDivergedError extends SupervisorError {
  readonly code = 'replay-diverged';
  readonly consequence = 'abort-run';
}

/** No file came within the time limit. */
export class DownloadTimedOutError extends SupervisorError {
  readonly code = 'download-timed-out';
  readonly consequence = 'fail-step';

  /** `failure` is the last failure of a Grid to answer, if it did not answer in the end. */
  constructor(timeoutMs: number, unfinished: readonly string[], failure?: Error) {
    const what = unfinished.length === 0 ? 'No download began' : 'The download was not complete';
    const advice = unfinished.length === 0 ? 'Let the work click the link that starts it.' : 'Raise its `timeoutMs`.';
    const problem = failure === undefined ? what : 'The downloads could not be read from the Grid';
    super(
      `${problem} within ${describeSpan(timeoutMs)} after the work of ctx.download. ` +
        (failure === undefined ? advice : `Its last answer: ${redactText(failure.message)}`),
      { cause: failure, data: { timeoutMs, unfinished } },
    );
  }
}

/** Code sent a command to a window that other, concurrent work was using. */
export class WindowSharedError extends SupervisorError {
  readonly code = 'window-shared';
  readonly consequence = 'fail-step';

  /** `sender` is undefined for the code of `run` outside of steps. */
  constructor(sender: LedgerEntry | undefined, user: LedgerEntry) {
    const who = sender === undefined ? 'The code of `run` outside of steps' : startSentence(describeStep(sender.id));
    const isItem = sender !== undefined && sender.id.batch !== null && user.id.batch === sender.id.batch;
    const way = isItem
      ? 'Let workers use `api`, or give each a browser session of its own (`sessions: 5`, and the `driver` of its tools), or let ' +
        'one item run at a time (`concurrency: 1`).'
      : 'Put `await` before each step and batch, so that one ends before the next one begins.';
    super(
      `${who} sent a command to the window that ${describeStep(user.id)} was using. Work that shares a window changes the page of other ` +
        `work. ${way}`,
      { data: { sender: sender?.id ?? null, user: user.id } },
    );
  }
}

/** The code of a batch item sent a command after the item's end, to a session that other items use now. */
export class ItemEndedError extends SupervisorError {
  readonly code = 'item-ended';
  readonly consequence = 'fail-step';

  constructor(item: LedgerEntry) {
    super(
      `${startSentence(describeStep(item.id))} has ended, and its code sent a command to a session that other work uses now. The command ` +
        'was refused. Put `await` before everything that it does, and pass its `signal` to everything that waits.',
      { data: { item: item.id } },
    );
  }
}

/** The files could not be written. The data are still in the registry; the message names the file that failed. */
export class ExportError extends SupervisorError {
  readonly code = 'export-failed';
  readonly consequence = 'abort-run';
}

/** Too many sessions died while this step ran. It is given up, so that one bad page does not end the run. */
export class PoisonedStepError extends SupervisorError {
  readonly code = 'step-poisoned';
  readonly consequence = 'fail-step';

  constructor({ id, deaths }: LedgerEntry, death: SessionDeathError) {
    const { cause, diagnosis } = death.death;
    const figures = diagnosis.evidence[0] === undefined ? '' : `: ${diagnosis.evidence[0]}`;
    super(
      `${startSentence(describeStep(id))} was given up: ${deaths.length} sessions died while it ran. Last: ${describeReason(death.death)} (${cause})${figures}.`,
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

/** Further items can't use the run's own session. The run continues with a new one. */
export class SessionUnusableError extends SupervisorError {
  readonly code = 'session-unusable';
  readonly consequence = 'abort-run';

  constructor(reason: keyof typeof UNUSABLE_REASONS) {
    super(
      `The run needs another browser session: ${UNUSABLE_REASONS[reason]}. If this ended the run, ${MAX_FRUITLESS_RENEWALS} sessions in a row were ` +
        'lost this way without a finished item, or recovery is off. Let the action leave the session usable.',
      { data: { reason } },
    );
  }
}
