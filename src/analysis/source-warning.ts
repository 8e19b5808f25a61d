import type { Position } from './ast.ts';

/** A pattern in the source of an action that can lose data when a finished step is replayed. */
export type SourceWarningRule = 'outer-variable' | 'kept-element' | 'missing-await' | 'outer-driver' | 'changing-key';

export interface CallPosition extends Position {
  /** Whether other calls of `step` or `batch` begin on the same line, so that the column must match too. Default: false. */
  readonly sharesLine?: boolean;
}

export interface SourceWarning {
  readonly rule: SourceWarningRule;
  /** An absolute path. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** One line: what is written there, what it leads to, and the better form. */
  readonly message: string;
  /**
   * The call of `step` or `batch` whose replay loses data; null if a replay makes no difference. If a function of the author passes the work
   * on to `step`, this is the call of that function. `line` and `column` are those of a stack trace.
   */
  readonly call: CallPosition | null;
  /** Whether the variable belongs to the module, so that a new entry of `run` needs a new instance of it. */
  readonly isModuleState: boolean;
}
