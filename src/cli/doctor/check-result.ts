/** The result of one check of `doctor`. */
export interface CheckResult {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** The way out, as a sentence. */
  readonly advice?: string;
}
