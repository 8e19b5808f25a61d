/** A run's progress in words, and as one line that fits the terminal. */
import { count } from '../../core/describe-number.ts';
import { toPlainLine } from '../../core/plain-text.ts';
import type { RunProgress } from '../../runs/runs.ts';
import { cut, widthOf } from './text-width.ts';

const MAX_BAR_COLUMNS = 30;
const MIN_BAR_COLUMNS = 8;
/** The time over which the rate is measured. */
const RATE_WINDOW_MS = 10_000;

/** `running: 120/525 done, 96 records, session 2 after 1 death`. */
export function describeProgress(progress: RunProgress): string {
  const { done, total } = shownCounts(progress);
  const { counts, display } = progress;
  const label = display?.label === undefined ? '' : ` (${toPlainLine(display.label)})`;
  const failed = counts.failed === 0 ? [] : [`${counts.failed} failed`];
  const parts = [
    total === 0 ? `nothing counted yet` : `${total === null ? done : `${done}/${total}`} done${label}`,
    ...failed,
    count(progress.records, 'record'),
  ];
  const waiting = progress.queue === null ? [] : [describeQueue(progress.queue)];
  return `${progress.state}: ${[...waiting, ...parts, describeSessions(progress)].join(', ')}`;
}

/** Counts how fast work is finished. */
export class RateMeter {
  #samples: { readonly at: number; readonly done: number }[] = [];

  /** Returns the units per second over the last ten seconds; undefined if the samples cover less than a second. */
  update(done: number, now = performance.now()): number | undefined {
    this.#samples = this.#samples.filter(({ at }) => now - at <= RATE_WINDOW_MS);
    this.#samples.push({ at: now, done });
    const first = this.#samples[0];
    if (first === undefined || now - first.at < 1_000) return undefined;
    return Math.max(0, ((done - first.done) * 1_000) / (now - first.at));
  }
}

/** Returns a bar and as many details as fit into `columns`. The label is left out first, the count last. */
export function renderProgress(
  progress: RunProgress,
  { columns, rate }: { columns: number; rate: number | undefined },
): string {
  const { done, total } = shownCounts(progress);
  const words = {
    starting: 'starting the browser',
    recovering: `recovering: session ${progress.sessions} died`,
    finishing: 'finishing',
    running: describeSessions(progress),
  }[progress.state];
  const parts = [
    progress.queue === null ? '' : describeQueue(progress.queue),
    total === 0 ? '' : total === null ? `${done} done` : `${done}/${total}`,
    count(progress.records, 'record'),
    words,
    rate === undefined || rate === 0 ? '' : `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`,
    toPlainLine(progress.display?.label ?? ''),
  ].filter(Boolean);
  while (parts.length > 1 && widthOf(parts.join(' · ')) + MIN_BAR_COLUMNS + 6 > columns) parts.pop();
  const text = parts.join(' · ');
  const room = Math.min(MAX_BAR_COLUMNS, columns - widthOf(text) - 6);
  if (total === 0 || total === null || room < MIN_BAR_COLUMNS) return cut(text, columns);
  const share = Math.min(1, done / total);
  const filled = Math.floor(share * room);
  return `${'█'.repeat(filled)}${'░'.repeat(room - filled)} ${String(Math.floor(share * 100)).padStart(3)}% ${text}`;
}

function describeQueue({ queued }: NonNullable<RunProgress['queue']>): string {
  return `waiting for a free slot (${count(queued, 'request')} in the queue)`;
}

function describeSessions({ sessions, deaths }: RunProgress): string {
  return `session ${Math.max(1, sessions)}${deaths.length === 0 ? '' : ` after ${count(deaths.length, 'death')}`}`;
}

/**
 * Returns the progress that the action reported with `ctx.progress`, otherwise its units of work. The total of the units is unknown (null) until
 * `run` has returned, because a later step can add more.
 */
function shownCounts({ display, units, state }: RunProgress): { done: number; total: number | null } {
  if (display !== null) return display;
  return { done: units.done, total: state === 'finishing' || units.total === 0 ? units.total : null };
}
