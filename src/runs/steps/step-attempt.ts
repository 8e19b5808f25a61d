/** Makes one attempt at a step within its time limit: finds out whether its work has already happened, otherwise does it with its parts. */
import { anySignal, raceSignal } from '../../core/abort.ts';
import { ActionError, CancelledError } from '../../core/errors.ts';
import type { StepOptions, StepTools } from '../context.ts';
import type { LedgerEntry } from '../replay/ledger.ts';
import type { CurrentUnit } from './current-unit.ts';
import type { OpenCalls } from './open-calls.ts';
import type { RecordBuffer } from './record-buffer.ts';
import { StepTimedOutError } from '../errors.ts';
import { describeStep, startSentence } from './step-words.ts';

export interface StepAttempt<Value> {
  readonly work: (tools: StepTools) => Promise<Value> | Value;
  /** The number of the attempt; 1 for the first one. */
  readonly attempt: number;
  readonly isInterrupted: boolean;
  /** Open until it is known whether the work of an interrupted attempt has happened. */
  readonly question: { isOpen: boolean };
  readonly options: StepOptions<Value>;
}

/** Calls `run` with the work of the attempt and the signal that ends it: `signal`, or the step's own time limit. */
export async function attemptInTime<Value>(
  entry: LedgerEntry,
  { work, attempt, isInterrupted, question, options }: StepAttempt<Value>,
  {
    signal: outer,
    isPart,
    run,
  }: {
    readonly signal: AbortSignal;
    /** True if the step is a part of another step. It then ends when that step ends. */
    readonly isPart: boolean;
    readonly run: (work: (records: RecordBuffer) => Promise<Value>, fence: AbortSignal) => Promise<Value>;
  },
): Promise<Value> {
  const { timeoutMs, whenInterrupted } = options;
  const late = new AbortController();
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => late.abort(new StepTimedOutError(entry, timeoutMs)), timeoutMs);
  const signal = anySignal(outer, late.signal);
  const inTime = async <Result>(part: Promise<Result> | Result): Promise<Result> =>
    timer === undefined && !isPart ? part : raceSignal(Promise.resolve(part), signal);
  try {
    return await run(async ({ save }) => {
      const tools = { key: entry.id.key, save, signal, attempt, interrupted: isInterrupted };
      const happened = question.isOpen ? await inTime(whenInterrupted?.(tools)) : undefined;
      question.isOpen = false;
      return happened === undefined ? inTime(work(tools)) : happened;
    }, signal);
  } finally {
    clearTimeout(timer);
  }
}

export interface WorkWithParts<Value> {
  /** Aborts when the result of the attempt no longer counts. */
  readonly fence: AbortSignal;
  readonly calls: OpenCalls;
  readonly current: CurrentUnit;
  readonly work: () => Promise<Value>;
}

/**
 * Runs the work of an attempt at a step or an item. No part of a step may end after the step, because a replay of the step would not ask
 * for that part again. Throws `ActionError` that names the part if the work ended before it.
 */
export async function runWithParts<Value>(
  entry: LedgerEntry,
  { fence, calls, current, work }: WorkWithParts<Value>,
): Promise<Value> {
  if (entry.id.batch !== null) return current.run(entry, fence, work);
  const over = new AbortController();
  try {
    const value = await current.run(entry, anySignal(fence, over.signal), work);
    const [forgotten] = calls.partsOf(entry);
    if (forgotten === undefined || fence.aborted) return value;
    const message = `${startSentence(describeStep(entry.id))} ended while ${forgotten.name} was not finished. Put \`await\` before it.`;
    over.abort(new CancelledError(message));
    throw new ActionError(message);
  } finally {
    await calls.partsSettled(entry);
  }
}
