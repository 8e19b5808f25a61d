/** One attempt at a step: whether it had happened already, and otherwise its work, within its time. */
import { anySignal, raceSignal } from '../../core/abort.ts';
import type { StepOptions, StepTools } from '../context.ts';
import type { LedgerEntry } from '../replay/ledger.ts';
import type { RecordBuffer } from './record-buffer.ts';
import { StepTimedOutError } from './step-errors.ts';

export interface StepAttempt<Value> {
  readonly work: (tools: StepTools) => Promise<Value> | Value;
  /** 1 for the first. */
  readonly attempt: number;
  readonly isInterrupted: boolean;
  /** Whether it has still to be found out if an interrupted attempt had happened. */
  readonly question: { isOpen: boolean };
  readonly options: StepOptions<Value>;
}

/** Runs `run` with the work of the attempt and the signal that ends it: `signal`, or the step's own time limit. */
export async function attemptInTime<Value>(
  entry: LedgerEntry,
  { work, attempt, isInterrupted, question, options }: StepAttempt<Value>,
  {
    signal: outer,
    run,
  }: {
    readonly signal: AbortSignal;
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
    timer === undefined ? part : raceSignal(Promise.resolve(part), signal);
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
