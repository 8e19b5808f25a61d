/** A pattern in the source of an action that can lose data when a finished step is replayed. */
export type SourceWarningRule = 'outer-variable' | 'kept-element' | 'missing-await' | 'outer-driver' | 'changing-key';

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
  /** The call of `step` or `batch` whose replay loses data; null if a replay makes no difference. */
  readonly call: { readonly line: number; readonly column: number } | null;
  /** Whether the variable belongs to the module, so that a new entry of `run` needs a new instance of it. */
  readonly isModuleState: boolean;
}
