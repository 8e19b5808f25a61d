/** Checks of an action's source code, made before a browser starts. */
export type { SourceWarning, SourceWarningRule } from './source-warning.ts';
