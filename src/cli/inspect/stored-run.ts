/** Texts about a run that all commands make from its row. */
import type { StoredRun } from '../../model/run.ts';
import { toResumeWords } from '../../upkeep/upkeep.ts';
import { commandLine } from '../terminal/command-line.ts';
import { isLeft } from './registry-commands.ts';

/** The number of random letters at the end of a run's id. */
const ID_LETTERS = 6;

/** Returns the end of a run's id, which is enough to find it again. */
export function shortRunId({ id }: Pick<StoredRun, 'id'>): string {
  return id.slice(-ID_LETTERS);
}

/** Returns whether a run is being worked on by its row although its process is gone. */
export function isRunLeft(run: StoredRun): boolean {
  return run.status === 'processing' && isLeft(run);
}

/** Returns the command that resumes the run, with a gap for each parameter that may be secret and is not stored. */
export function resumeLine(run: StoredRun): string {
  return commandLine('run', toResumeWords(run));
}

/** `525 = 500 done + 25 queued`. */
export function describeCounts({ counts }: Pick<StoredRun, 'counts'>): string {
  const { total, done, running, queued, failed, cancelled, skipped } = counts;
  if (total === 0) return 'none were begun';
  const parts = Object.entries({ done, running, queued, failed, cancelled, skipped }).filter(
    ([name, number]) => number > 0 || name === 'done',
  );
  return `${total} = ${parts.map(([name, number]) => `${number} ${name}`).join(' + ')}`;
}
