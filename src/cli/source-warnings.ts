/** The check of an action's source, and its warnings as lines of text. */
import { checkActionFile, type SourceWarning } from '../analysis/analysis.ts';
import { toError } from '../core/errors.ts';
import { shortPath } from './load-errors.ts';

/** The warnings about an action's file. A mistake in the checker itself does not keep the action from running. */
export async function checkSource(file: string): Promise<readonly SourceWarning[]> {
  hideExperimentalWarnings();
  try {
    return await checkActionFile(file);
  } catch (thrown) {
    process.emitWarning(`${shortPath(file)} could not be checked: ${toError(thrown).message}`);
    return [];
  }
}

/** `actions/prices.ts:12: the step "a" changes …`. */
export function describeSourceWarning({ file, line, message }: SourceWarning): string {
  return `${shortPath(file)}:${line}: ${message}`;
}

/** Node calls its removal of types experimental when a program uses it. The user can't do anything about that. */
function hideExperimentalWarnings(): void {
  const listeners = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') for (const listener of listeners) listener.call(process, warning);
  });
}
