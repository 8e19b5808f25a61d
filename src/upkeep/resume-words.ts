/** Builds the command line that resumes a run: the same for the terminal, an alert and the monitor's page. */
import type { StoredRun } from '../model/run.ts';
import { quoteForShell, toFlag } from '../core/shell-words.ts';

/** Returns the command and its arguments. A parent, and the shards of one, continue in the queue. */
export function toResumeCommand(
  run: Pick<StoredRun, 'action' | 'id' | 'options' | 'parentId' | 'shards'>,
): readonly ['run' | 'enqueue', string] {
  const { id, parentId, shards } = run;
  if (parentId === null && shards === null) return ['run', toResumeWords(run)];
  return ['enqueue', toResumeWords({ ...run, id: parentId ?? id })];
}

/**
 * Returns the arguments of `run`: the action or its file, and a placeholder for each parameter that is not stored because it may be secret.
 */
function toResumeWords({
  action,
  id,
  options: { target, hidden },
}: Pick<StoredRun, 'action' | 'id' | 'options'>): string {
  const name = typeof target === 'string' ? target : action;
  const flags = Array.isArray(hidden) ? hidden.map((parameter) => `--${toFlag(String(parameter))} …`) : [];
  return [quoteForShell(name), '--resume', id, ...flags].join(' ');
}
