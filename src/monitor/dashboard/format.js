/**
 * Formats numbers, durations and times. Times arrive as UTC and are shown in the user's time zone. The time since an event is measured by
 * the monitor's clock, because the clock of the user's machine may be wrong.
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Smaller differences between the clocks are ignored, because they include the time of the answer. */
const SKEW_TOLERANCE_MS = 2 * SECOND;

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'long' });
const clockTime = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const hourMinute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

/** @typedef {string | number} Moment ISO 8601, or milliseconds */

export const clock = {
  skewMs: 0,
  now: () => Date.now() + clock.skewMs,
  /** @param {string} timestamp of an answer that was made just now */
  adjust(timestamp) {
    const skewMs = Date.parse(timestamp) - Date.now();
    clock.skewMs = Math.abs(skewMs) > SKEW_TOLERANCE_MS ? skewMs : 0;
  },
};

/** @param {number} value */
export const toNumberText = (value) => number.format(value);
/** @param {number} value */
export const toPercentText = (value) => `${percent.format(value)} %`;
/** @param {Moment} at */
export const toFullTime = (at) => full.format(new Date(at));
/** @param {Moment} at */
export const toClockTime = (at) => clockTime.format(new Date(at));
/** @param {Moment} at */
export const toHourMinute = (at) => hourMinute.format(new Date(at));

/**
 * Returns a text such as "97 s", "12 min", "2 h 5 min" or "3 d 4 h".
 * @param {number} ms
 */
export function toDurationText(ms) {
  if (ms < 2 * MINUTE) return `${Math.max(0, Math.floor(ms / SECOND))} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return twoUnits(ms, [HOUR, 'h'], [MINUTE, 'min']);
  return twoUnits(ms, [DAY, 'd'], [HOUR, 'h']);
}

/** @param {string} at */
export const toSpanText = (at) => toDurationText(clock.now() - Date.parse(at));

/** @param {string} at */
export const toAgoText = (at) => (clock.now() - Date.parse(at) < SECOND ? 'now' : `${toSpanText(at)} ago`);

/** @param {number} bytes */
export function toBytesText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${toNumberText(bytes / 1024 ** power)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

/**
 * @param {number} count
 * @param {string} singular
 */
export const toCountText = (count, singular, plural = `${singular}s`) =>
  `${toNumberText(count)} ${count === 1 ? singular : plural}`;

/**
 * Returns a name such as "timed_out" as words: "timed out".
 * @param {string} name
 */
export const toWords = (name) => name.replaceAll('_', ' ');

/** The id of a run. Its first part, the date, is left out of short ids. */
const RUN_ID = /^\d{8}-(\d{6}-\w{6})$/;

/**
 * Returns the part of an id that distinguishes it from other ids.
 * @param {string} id
 */
export const toShortId = (id) => RUN_ID.exec(id)?.[1] ?? (id.length > 13 ? id.slice(0, 8) : id);

/**
 * Returns the number of deaths by cause.
 * @param {readonly { cause: string }[]} deaths
 */
export function countCauses(deaths) {
  /** @type {Map<string, number>} */
  const numbers = new Map();
  for (const { cause } of deaths) numbers.set(cause, (numbers.get(cause) ?? 0) + 1);
  return numbers;
}

/**
 * Returns a text such as "browser-gone, 2 × frozen".
 * @param {readonly { cause: string }[]} deaths
 */
export function toCausesText(deaths) {
  return [...countCauses(deaths)].map(([cause, times]) => (times === 1 ? cause : `${times} × ${cause}`)).join(', ');
}

/**
 * Returns why a session died, such as "probably out-of-memory: 256 MB of 256 MB. Raise the limit.", or an empty text if that is unknown.
 * @param {{ reason: string, confidence: string, evidence: readonly string[], advice: string | null }} diagnosis
 */
export function toWhyText({ reason, confidence, evidence, advice }) {
  if (reason === 'unknown') return '';
  const why = `${confidence === 'likely' ? 'probably ' : ''}${reason}: ${evidence.join('; ')}.`;
  return advice === null ? why : `${why} ${advice}`;
}

/**
 * @param {number} ms
 * @param {[number, string]} big
 * @param {[number, string]} small
 */
function twoUnits(ms, [big, bigName], [small, smallName]) {
  const rest = Math.floor((ms % big) / small);
  return `${Math.floor(ms / big)} ${bigName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
}
