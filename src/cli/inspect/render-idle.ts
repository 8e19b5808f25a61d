/** The table of runs and sessions that make no progress. */
import { count } from '../../core/describe-number.ts';
import type { Idle } from '../../upkeep/upkeep.ts';
import { shortSessionId } from './subjects.ts';
import { renderColumns } from '../terminal/text-table.ts';
import { describeDuration, describeSpan } from '../../core/describe-time.ts';

const MAX_ROWS = 50;

export interface StuckListOptions {
  /** The rows that exceed their allowed time. If given, each row shows whether it is stuck. */
  readonly stuck?: readonly Idle[];
}

/** Renders the first rows, those longest without progress; a last line has the number of the others. */
export function renderIdle(all: readonly Idle[], { stuck }: StuckListOptions = {}): string {
  const subjects = new Set(stuck?.map(subjectOf));
  const rows = all
    .slice(0, MAX_ROWS)
    .map((idle) => [
      ...(stuck === undefined ? [] : [subjects.has(subjectOf(idle)) ? 'stuck' : 'long']),
      idle.owner,
      nameSubject(idle),
      idle.action ?? '–',
      describeSpan(idle.idleMs),
      describeDuration(idle.allowedMs),
      idle.host === null ? '–' : `${idle.host}:${idle.pid ?? '–'}`,
    ]);
  const table = renderColumns(
    [
      ...(stuck === undefined ? [] : [{ title: 'STATE' }]),
      { title: 'OWNER', least: 8 },
      { title: 'RUN', least: 16 },
      { title: 'ACTION', least: 8 },
      { title: 'IDLE', isNumber: true },
      { title: 'ALLOWED', isNumber: true },
      { title: 'WHERE', least: 10, isOptional: true },
    ],
    rows,
  );
  const more = all.length - rows.length;
  return more > 0 ? `${table}… and ${more} more; --json has all of them.\n` : table;
}

/** `2 runs and 1 session without a run`. */
export function countIdle(all: readonly Idle[]): string {
  const runs = all.filter(({ runId }) => runId !== null).length;
  const alone = all.length - runs;
  const parts = [runs > 0 ? count(runs, 'run') : '', alone > 0 ? `${count(alone, 'session')} without a run` : ''];
  return parts.filter(Boolean).join(' and ') || 'nothing';
}

/** Returns the id that identifies a row, also in a later query. */
export function subjectOf({ runId, sessionId }: Idle): string {
  return runId ?? sessionId ?? '';
}

function nameSubject({ runId, sessionId }: Idle): string {
  return runId ?? (sessionId === null ? '–' : `session ${shortSessionId(sessionId)}`);
}
