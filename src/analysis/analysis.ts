/**
 * Checks of an action's source code, made before a browser starts. The rules of this module: a warning names a line, what it leads to and
 * the better form; what can't be resolved gives no warning, because the run acts on warnings.
 */
export { checkActionFile } from './check-action-file.ts';
export type { SourceWarning, SourceWarningRule } from './source-warning.ts';
export { findWarningOfCall } from './warning-of-call.ts';
