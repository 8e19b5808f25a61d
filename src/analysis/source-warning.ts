/** A position in a file: line and column begin at 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A pattern in the source of an action that can lose data when a finished step is replayed. */
export type SourceWarningRule = 'outer-variable' | 'kept-element' | 'missing-await' | 'outer-driver' | 'changing-key';

export interface CallPosition extends Position {
  /** True if other calls of `step` or `batch` begin on the same line, so that the column must match, too. @default false */
  readonly sharesLine?: boolean;
}

export interface SourceWarning {
  readonly rule: SourceWarningRule;
  /** An absolute path. */
  readonly file: string;
  /** The line number, starting at 1. */
  readonly line: number;
  /** The column number, starting at 1. */
  readonly column: number;
  /** One line: the pattern, its consequence, and the better form. */
  readonly message: string;
  /**
   * The call of `step` or `batch` whose replay loses data; null if a replay loses none. If a function of the author passes the work
   * on to `step`, this is the call of that function. `line` and `column` are those of a stack trace.
   */
  readonly call: CallPosition | null;
  /** True if the variable belongs to the module, so that a new entry of `run` needs a new instance of it. */
  readonly isModuleState: boolean;
}
