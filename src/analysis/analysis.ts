/**
 * Checks the source code of an action before a browser starts. The invariants of this module: a warning names a line, its consequence and
 * the better form. Code that can't be resolved gives no warning, because the run acts on warnings.
 */
export { checkActionFile } from './check-action-file.ts';
export type { SourceWarning } from './source-warning.ts';
export { findWarningOfCall } from './warning-of-call.ts';
