/** Checks of an action's source code, made before a browser starts. */
export type { SourceWarning, SourceWarningRule } from './source-warning.ts';
import type { SourceWarning } from './source-warning.ts';

export function findWarningOfCall(
  _warnings: readonly SourceWarning[],
  _stack: string | undefined,
): SourceWarning | undefined {
  return undefined;
}
