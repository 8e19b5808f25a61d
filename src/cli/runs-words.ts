/** What is told of a run from its row, wherever that is. */
import type { StoredRun } from '../model/run.ts';
import { toResumeWords } from '../upkeep/upkeep.ts';
import { commandLine } from './invocation.ts';
import { isLeft } from './registry-commands.ts';

/** The part of a run's id that is by chance. */
const ID_LETTERS = 6;

/** Enough of a run's id to find it again. */
export function shortRunId({ id }: Pick<StoredRun, 'id'>): string {
  return id.slice(-ID_LETTERS);
}

/** Its row says that it is worked on, and the process that did is gone. */
export function isRunLeft(run: StoredRun): boolean {
  return run.status === 'processing' && isLeft(run);
}

/** The command that goes on with it, with a place for each parameter that may be secret and is not kept. */
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
