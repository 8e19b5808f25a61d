/** Draws the sessions of a run as bars and its deaths as marks on a time axis. */
import { clock, toClockTime, toCausesText, toCountText, toFullTime } from './format.js';
import { html, svg } from './lit.js';
import { toTone } from './parts.js';

/** @import { Run, Session } from './api.js' */

const BAR_PX = 12;
const ROW_PX = 18;
/** The height above the bars, for the marks of deaths. */
const MARKS_PX = 16;

/**
 * @param {Run} run
 * @param {readonly Session[]} sessions
 */
export function timeAxis(run, sessions) {
  const fromMs = Date.parse(run.started_at ?? run.created_at);
  const toMs = Math.max(fromMs + 1, run.ended_at === null ? clock.now() : Date.parse(run.ended_at));
  const toShare = (/** @type {number} */ ms) => Math.min(100, Math.max(0, ((ms - fromMs) / (toMs - fromMs)) * 100));
  const rows = toRows(sessions);
  const height = MARKS_PX + Math.max(1, rows.length) * ROW_PX;
  const deaths = run.deaths.flatMap(({ at, cause }) => (at === null ? [] : [{ cause, at }]));
  const label =
    `From ${toFullTime(fromMs)} to ${toFullTime(toMs)}: ${toCountText(sessions.length, 'session')}, ` +
    `${toCountText(deaths.length, 'death')}${deaths.length === 0 ? '' : `, ${toCausesText(deaths)}`}. The tables below have each of them.`;
  return html`<figure class="time-axis">
    <svg role="img" aria-label=${label} width="100%" height=${height}>
      ${rows.flatMap((row, index) =>
        row.map(({ status, begin, end }) => {
          const x = toShare(begin);
          return svg`<rect class="time-bar" data-tone=${toTone(status)} x="${x}%" y=${MARKS_PX + index * ROW_PX}
            width="${Math.max(0.3, toShare(end) - x)}%" height=${BAR_PX} rx="2"><title>${status}, from ${toClockTime(begin)} to ${toClockTime(end)}</title></rect>`;
        }),
      )}
      ${deaths.map(
        ({ at, cause }) =>
          svg`<svg x="${toShare(Date.parse(at))}%" overflow="visible"><g class="time-death">
            <title>${cause} at ${toClockTime(at)}</title>
            <path d="M0 2 6 8 0 14 -6 8z" /><path d="M0 14V${height}" />
          </g></svg>`,
      )}
    </svg>
    <figcaption>
      <span>${toClockTime(fromMs)}</span><span>${run.ended_at === null ? 'now' : toClockTime(toMs)}</span>
    </figcaption>
  </figure>`;
}

/**
 * Distributes sessions over rows. The sessions of a row do not overlap in time.
 * @param {readonly Session[]} sessions
 */
function toRows(sessions) {
  /** @type {{ status: string, begin: number, end: number }[][]} */
  const rows = [];
  const bars = sessions.map(({ status, started_at: startedAt, created_at: createdAt, ended_at: endedAt }) => ({
    status,
    begin: Date.parse(startedAt ?? createdAt),
    end: endedAt === null ? clock.now() : Date.parse(endedAt),
  }));
  for (const bar of bars.toSorted((one, other) => one.begin - other.begin)) {
    const row = rows.find((some) => (some.at(-1)?.end ?? 0) <= bar.begin);
    if (row === undefined) rows.push([bar]);
    else row.push(bar);
  }
  return rows;
}
