/** What the steps of one entry of `run` are given, and what is checked of the options of a single one. */
import { ActionError, describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { redactText } from '../../core/redact.ts';
import type { RunStore, StepEnd, StepId } from '../../registry/registry.ts';
import type { CommandGuard } from '../replay/command-guard.ts';
import type { StepOptions } from '../context.ts';
import { describeStep, type Ledger, type StepMemory } from '../replay/ledger.ts';
import type { OpenCalls } from './open-calls.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { ReplayWatch } from '../replay/replay-watch.ts';
import type { RunState } from '../state/run-state.ts';

/** A timer set for longer fires at once (Node). */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface StepsOptions {
  readonly store: RunStore;
  readonly ledger: Ledger;
  readonly state: RunState;
  readonly replay: ReplayWatch;
  readonly guard: CommandGuard;
  readonly calls: OpenCalls;
  /** The session that this entry of `run` began on, and the end of the run. */
  readonly sessionSignal: AbortSignal;
  readonly runSignal: AbortSignal;
  /** Whether the session that this entry of `run` began on is still the run's. */
  readonly isSameSession: () => boolean;
  /** Whether a step is given up when too many sessions died during it. @default true */
  readonly givesUpSteps?: boolean;
  /** The largest record, in bytes of UTF-8. */
  readonly maxRecordBytes: number;
  readonly log: Log;
  readonly onProgress: () => void;
  /** A unit of work begins on the session that was handed down. */
  readonly onBegin: () => void;
  /** A unit of work is done, and the session that it began with is not the one that there is. */
  readonly onContextLoss: () => void;
}

/** How one attempt at a step or an item is made. */
export interface AttemptOptions<Value> {
  readonly work: (records: RecordBuffer) => Promise<Value>;
  /** The halt of the session that the work uses: nothing is stored of a session that died meanwhile. */
  readonly fence: AbortSignal;
  /** Whether the session is the run's own, whose state is taken with the work's end. @default true */
  readonly takesState?: boolean;
  /** Whether the work that comes next may go on with the page that this one leaves. @default true */
  readonly leavesPage?: boolean;
}

/** Throws `ActionError` naming the step and the option that is wrong. */
export function validateStepOptions<Value>(
  id: StepId,
  { retries = 0, timeoutMs, whenInterrupted }: StepOptions<Value>,
): void {
  const what = describeStep(id);
  if (!Number.isInteger(retries) || retries < 0)
    throw new ActionError(`The retries of ${what} are ${retries}; they must be a whole number of at least 0.`);
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= MAX_TIMER_MS))
    throw new ActionError(`The timeoutMs of ${what} is ${timeoutMs}; it must be above 0 and at most ${MAX_TIMER_MS}.`);
  if (whenInterrupted !== undefined && typeof whenInterrupted !== 'function')
    throw new ActionError(`The whenInterrupted of ${what} must be a function.`);
}

/** The end of a step as the registry stores it, without what is secret in it. */
export function toStepEnd(memory: Exclude<StepMemory, { status: 'done' }>): StepEnd {
  if (memory.status === 'skipped') return memory;
  const { code, message } = describeError(memory.error);
  return { status: 'failed', error: { code, message: redactText(message) } };
}
