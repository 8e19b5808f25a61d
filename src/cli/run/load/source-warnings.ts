/** Checks an action's source and formats its warnings as lines of text. */
import { checkActionFile, type SourceWarning } from '../../../analysis/analysis.ts';
import { toError } from '../../../core/errors.ts';
import { shortPath } from './explain-load-error.ts';

/** Returns the warnings about an action's file. An error in the checker itself does not prevent the run. */
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

/** Hides Node's warning that its removal of types is experimental, because the user can't do anything about it. */
function hideExperimentalWarnings(): void {
  const listeners = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') for (const listener of listeners) listener.call(process, warning);
  });
}
