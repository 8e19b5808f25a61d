/** The options of the steps of one entry of `run`, and the validation of the options of a single step. */
import { ActionError, describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { redactText } from '../../core/redact.ts';
import type { RunStore, StepEnd, StepId } from '../../registry/registry.ts';
import type { CommandGuard } from '../replay/command-guard.ts';
import type { StepOptions } from '../context.ts';
import type { Ledger, StepMemory } from '../replay/ledger.ts';
import type { OpenCalls } from './open-calls.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { ReplayWatch } from '../replay/replay-watch.ts';
import type { RunState } from '../state/run-state.ts';
import type { StepFailure } from './step-failures.ts';
import { describeStep } from './step-words.ts';

/** The longest delay of a Node.js timer; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface StepsOptions {
  readonly store: RunStore;
  readonly ledger: Ledger;
  readonly state: RunState;
  readonly replay: ReplayWatch;
  readonly guard: CommandGuard;
  readonly calls: OpenCalls;
  /** The halt of the session that this entry of `run` began on. `runSignal` aborts at the end of the run. */
  readonly sessionSignal: AbortSignal;
  readonly runSignal: AbortSignal;
  /** Returns whether the run still has the session that this entry of `run` began on. */
  readonly isSameSession: () => boolean;
  /** If true, a step is given up when too many sessions died during it. @default true */
  readonly givesUpSteps?: boolean;
  /** The maximum size of a record in bytes of UTF-8. */
  readonly maxRecordBytes: number;
  readonly log: Log;
  readonly onProgress: () => void;
  /** See `StepFailuresOptions`. */
  readonly onFailure?: ((failure: StepFailure) => void) | undefined;
  /** Called when a unit of work begins on an existing session of the run. */
  readonly onBegin: () => void;
  /** Called when a unit of work is done and stored. */
  readonly onDone: () => void;
  /** Called when a unit of work is done and the run's session is not the one that the unit began with. */
  readonly onContextLoss: () => void;
}

/** The options of one attempt at a step or an item. */
export interface AttemptOptions<Value> {
  readonly work: (records: RecordBuffer) => Promise<Value>;
  /** The halt of the session that the work uses. If the session died meanwhile, nothing is stored. */
  readonly fence: AbortSignal;
  /** True if the session is the run's own, whose state is taken at the end of the work. @default true */
  readonly takesState?: boolean;
  /** True if the next work may continue on the page that this work leaves. @default true */
  readonly leavesPage?: boolean;
}

/** Throws `ActionError` that names the step and the wrong option. */
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

/** Returns the end of a step in the form that the registry stores, without secrets. */
export function toStepEnd(memory: Exclude<StepMemory, { status: 'done' }>): StepEnd {
  if (memory.status === 'skipped') return memory;
  const { code, message } = describeError(memory.error);
  return { status: 'failed', error: { code, message: redactText(message) } };
}
