/**
 * Tracks on one time axis. Positions are shares of the width, and labels are text of the page, so that a timeline is readable at every width.
 * It is decoration for sighted readers: the tables beside it have all its facts.
 */
import { html, type Html, type HtmlValue } from '../../core/html.ts';

/** The units of ticks in milliseconds: the smallest that makes at most {@link MAX_TICKS} is used. */
const TICK_UNITS_MS = [
  ...[10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000],
  ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440].map((minutes) => minutes * 60_000),
];
const MAX_TICKS = 10;
const DAY_MS = 86_400_000;

export const TIMELINE_STYLE = `
.timeline { margin: .75rem 0 0; font-size: .8rem; }
.row { display: grid; grid-template-columns: 9rem 1fr; border-top: 1px solid var(--line); }
.row > div:first-child { color: var(--muted); padding: .35rem .75rem .35rem 0; line-height: 1.35; }
.row .note { margin: 0; display: block; font-size: inherit; }
.row .text { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.row b { color: var(--text); display: block; font-weight: 500; }
.track { position: relative; overflow: hidden; min-height: 1.75rem; }
.track > * { position: absolute; }
.track svg { inset: 0; width: 100%; height: 100%; }
.grid { background: var(--line); bottom: 0; top: 0; width: 1px; }
.bar { background: var(--accent); border-radius: 2px; min-width: 2px; }
.bar.soft { background: var(--accent-soft); }
.bar.bad { background: var(--bad); }
.bar.warn { background: var(--warn); }
.bar.open { background: repeating-linear-gradient(135deg, var(--bad) 0 6px, var(--bad-soft) 6px 10px); }
.span { background: var(--quiet-soft); border-left: 2px solid var(--accent); bottom: 3px; color: var(--text); overflow: hidden; padding: 0 .35rem;
  text-overflow: ellipsis; top: 3px; white-space: nowrap; line-height: 1.4rem; }
.dot { background: var(--line-strong); border-radius: 50%; height: 9px; margin-left: -5px; top: .6rem; width: 9px; }
.dot.bad { background: var(--bad); }
.dot.warn { background: var(--warn); border-radius: 1px; }
.line { background: var(--bad); bottom: 0; margin-left: -1px; top: 0; width: 2px; }
.mark { background: var(--bad); border-radius: 9px; color: var(--surface); font-size: .7rem; font-weight: 700; height: 18px; line-height: 18px;
  margin-left: -9px; min-width: 18px; text-align: center; text-decoration: none; top: .3rem; }
.area { fill: var(--accent-soft); stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.axis { border-top: 1px solid var(--line-strong); }
.axis .track { min-height: 1.4rem; overflow: visible; }
.axis .track > * { color: var(--muted); font-variant-numeric: tabular-nums; transform: translateX(-50%); white-space: nowrap; }
.axis .track > .first { transform: none; }
.axis .track > .last { transform: translateX(-100%); }
@media (max-width: 40rem) {
  .row { grid-template-columns: 1fr; }
  .row > div:first-child { padding: .25rem 0 0; }
  .row b, .row .note { display: inline; margin-right: .5rem; }
  .axis .minor, .axis > div:first-child { display: none; }
}`;

export interface Track {
  readonly label: string;
  /** One line of facts, such as the maximum. */
  readonly note?: HtmlValue;
  /** The elements, at positions that {@link TimeScale} returns. */
  readonly content: HtmlValue;
  /** The height in rem. @default 1.75 */
  readonly height?: number;
}

/** Converts times to positions. */
export class TimeScale {
  readonly fromMs: number;
  readonly toMs: number;

  constructor(fromMs: number, toMs: number) {
    this.fromMs = fromMs;
    this.toMs = Math.max(toMs, fromMs + 1);
  }

  /** Returns whether a time is on the axis. */
  has(ms: number): boolean {
    return ms >= this.fromMs && ms <= this.toMs;
  }

  /** Returns the position in percent, at most at the ends of the axis. */
  at(ms: number): number {
    const share = (100 * (ms - this.fromMs)) / (this.toMs - this.fromMs);
    return Math.round(100 * Math.min(100, Math.max(0, share))) / 100;
  }

  /** Returns the rules of CSS for the extent of something that lasts. */
  extent(beginMs: number, endMs: number): string {
    const left = this.at(beginMs);
    return `left:${left}%;width:${Math.max(0, Math.round(100 * (this.at(endMs) - left)) / 100)}%`;
  }
}

/** Returns the tracks and the axis. Ticks count from the begin, or backwards from the end. */
export function timeline(
  { scale, label, origin }: { readonly scale: TimeScale; readonly label: string; readonly origin: 'begin' | 'end' },
  tracks: readonly Track[],
): Html {
  const ticks = toTicks(scale, origin);
  const grid = ticks.map(({ ms }) => html`<i class="grid" style="left:${scale.at(ms)}%"></i>`);
  const rows = tracks.map(
    ({ label: name, note, content, height = 1.75 }) =>
      html`<div class="row">
        <div><b>${name}</b>${note === undefined ? null : html`<span class="note">${note}</span>`}</div>
        <div class="track" style="height:${height}rem">${grid}${content}</div>
      </div>`,
  );
  const axis = ticks.map(({ ms, text, isMinor }) => {
    const left = scale.at(ms);
    const kind = left < 2 ? 'first' : left > 98 ? 'last' : isMinor ? 'minor' : '';
    return html`<span class="${kind}" style="left:${left}%">${text}</span>`;
  });
  return html`<div class="timeline" role="group" aria-label="${label}">
    ${rows}
    <div class="row axis" aria-hidden="true">
      <div></div>
      <div class="track">${axis}</div>
    </div>
  </div>`;
}

/** Returns a curve of numbers as a filled area. `points` are sorted by time; the greatest number is `max`. */
export function area(
  points: readonly { readonly ms: number; readonly value: number }[],
  { scale, max }: { readonly scale: TimeScale; readonly max: number },
): HtmlValue {
  const [first] = points;
  const last = points.at(-1);
  if (first === undefined || last === undefined || max <= 0) return null;
  const line = points.map(({ ms, value }) => `${scale.at(ms)} ${toHeight(value, max)}`).join('L');
  return html`<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
    <path class="area" d="M${scale.at(first.ms)} 100L${line}L${scale.at(last.ms)} 100Z" />
  </svg>`;
}

/** Returns numbers of equal times as steps. */
export function steps(
  values: readonly number[],
  { scale, startedMs, bucketMs, max }: { scale: TimeScale; startedMs: number; bucketMs: number; max: number },
): HtmlValue {
  const points = values.flatMap((value, index) => {
    const ms = startedMs + index * bucketMs;
    return [
      { ms, value },
      { ms: Math.min(scale.toMs, ms + bucketMs), value },
    ];
  });
  return area(points, { scale, max });
}

function toHeight(value: number, max: number): number {
  return Math.round(1_000 * (1 - (0.94 * Math.max(0, value)) / max)) / 10;
}

interface Tick {
  readonly ms: number;
  readonly text: string;
  /** True if a narrow window has no space for it. */
  readonly isMinor: boolean;
}

function toTicks({ fromMs, toMs }: TimeScale, origin: 'begin' | 'end'): Tick[] {
  const length = toMs - fromMs;
  const fitting = TICK_UNITS_MS.find((unit) => length / unit <= MAX_TICKS);
  const unit = fitting ?? Math.ceil(length / MAX_TICKS / DAY_MS) * DAY_MS;
  const number = Math.floor(length / unit) + 1;
  return Array.from({ length: number }, (_none, index) => {
    const distance = index * unit;
    const text = distance === 0 ? '0' : `${origin === 'end' ? '−' : ''}${toTickText(distance)}`;
    return { ms: origin === 'end' ? toMs - distance : fromMs + distance, text, isMinor: index % 5 !== 0 };
  });
}

function toTickText(ms: number): string {
  if (ms < 60_000) return `${ms / 1_000} s`;
  const minutes = Math.floor(ms / 60_000);
  if (ms < 3_600_000)
    return ms % 60_000 === 0 ? `${minutes} min` : `${minutes}:${String((ms % 60_000) / 1_000).padStart(2, '0')} min`;
  if (ms < DAY_MS)
    return minutes % 60 === 0
      ? `${minutes / 60} h`
      : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')} h`;
  return `${ms / DAY_MS} d`;
}
