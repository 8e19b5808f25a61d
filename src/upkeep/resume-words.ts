/** How a run is gone on with: the same words for a person's terminal, an alert and the monitor's page. */
import type { StoredRun } from '../model/run.ts';
import { quoteForShell, toFlag } from '../core/shell-words.ts';

/** What follows `run`: the action, or its file, and a place for each parameter that may be secret and is not kept. */
export function toResumeWords({
  action,
  id,
  options: { target, hidden },
}: Pick<StoredRun, 'action' | 'id' | 'options'>): string {
  const name = typeof target === 'string' ? target : action;
  const flags = Array.isArray(hidden) ? hidden.map((parameter) => `--${toFlag(String(parameter))} …`) : [];
  return [quoteForShell(name), '--resume', id, ...flags].join(' ');
}
