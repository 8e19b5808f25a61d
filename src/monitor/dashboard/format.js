/**
 * How numbers, durations and moments read. Times arrive as UTC and are shown in the reader's zone; how long ago something was is told by
 * the monitor's clock, so that a reader whose clock is wrong is not misled.
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Below this, a difference between the clocks is the answer's way here. */
const SKEW_TOLERANCE_MS = 2 * SECOND;

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'long' });
const clockTime = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const hourMinute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

export const clock = {
  skewMs: 0,
  now: () => Date.now() + clock.skewMs,
  /** @param {string} timestamp of an answer that was made just now */
  adjust(timestamp) {
    const skewMs = Date.parse(timestamp) - Date.now();
    clock.skewMs = Math.abs(skewMs) > SKEW_TOLERANCE_MS ? skewMs : 0;
  },
};

export const toNumberText = (value) => number.format(value);
export const toPercentText = (value) => `${percent.format(value)} %`;
export const toFullTime = (at) => full.format(new Date(at));
export const toClockTime = (at) => clockTime.format(new Date(at));
export const toHourMinute = (at) => hourMinute.format(new Date(at));

/** "97 s", "12 min", "2 h 5 min", "3 d 4 h": a second unit where it matters. */
export function toDurationText(ms) {
  if (ms < 2 * MINUTE) return `${Math.max(0, Math.floor(ms / SECOND))} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return twoUnits(ms, [HOUR, 'h'], [MINUTE, 'min']);
  return twoUnits(ms, [DAY, 'd'], [HOUR, 'h']);
}

export function toAgoText(at) {
  const ms = clock.now() - Date.parse(at);
  return ms < SECOND ? 'now' : `${toDurationText(ms)} ago`;
}

export function toBytesText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${toNumberText(bytes / 1024 ** power)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

export function toCountText(count, singular, plural = `${singular}s`) {
  return `${toNumberText(count)} ${count === 1 ? singular : plural}`;
}

/** "timed_out" reads "timed out", "session_dead" reads "session dead". */
export const toWords = (name) => name.replaceAll('_', ' ');

/** Ids are long and random: their beginning tells them apart, and does as an argument of the commands. */
export const toShortId = (id) => RUN_ID.exec(id)?.[1] ?? (id.length > 13 ? id.slice(0, 8) : id);

/** All runs of a day begin alike. */
const RUN_ID = /^\d{8}-(\d{6}-\w{6})$/;

/** @returns {Map<string, number>} cause → deaths */
export function countCauses(deaths) {
  const numbers = new Map();
  for (const { cause } of deaths) numbers.set(cause, (numbers.get(cause) ?? 0) + 1);
  return numbers;
}

/** "browser-gone, 2 × frozen" */
export function tellCauses(deaths) {
  return [...countCauses(deaths)].map(([cause, times]) => (times === 1 ? cause : `${times} × ${cause}`)).join(', ');
}

function twoUnits(ms, [big, bigName], [small, smallName]) {
  const rest = Math.floor((ms % big) / small);
  return `${Math.floor(ms / big)} ${bigName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
}
