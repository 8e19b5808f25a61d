/** The units of the short texts for durations. */
const UNITS = [
  { unit: 'd', ms: 86_400_000 },
  { unit: 'h', ms: 3_600_000 },
  { unit: 'min', ms: 60_000 },
] as const;
/** The minimum number of a unit: 90 s is more precise than 1 min. */
const MIN_COUNT = 2;

/**
 * Returns a duration such as `90 s`, `12 min`, `5 h`, `3 d`. Negative values become `0 s`, because a clock may have been set back; NaN
 * becomes a dash.
 */
export function describeSpan(ms: number): string {
  if (Number.isNaN(ms)) return '–';
  const found = UNITS.find((one) => ms >= one.ms * MIN_COUNT);
  return found === undefined
    ? `${Math.max(0, Math.floor(ms / 1_000))} s`
    : `${Math.floor(ms / found.ms)} ${found.unit}`;
}

/** Returns a duration like {@link describeSpan}, with one decimal below 10 s. */
export function describeDuration(ms: number): string {
  return ms < 10_000 ? `${(Math.max(0, ms) / 1_000).toFixed(1)} s` : describeSpan(ms);
}

/** Returns a text such as `3 s ago`; a dash for null and for text that is no time. */
export function describeAgo(time: string | null, now = Date.now()): string {
  const span = describeSpan(now - Date.parse(time ?? ''));
  return span === '–' ? span : `${span} ago`;
}

/** Returns a text such as `2026-11-20T18:15:30.123Z (3 min ago)`. */
export function describeTime(time: string, now = Date.now()): string {
  return `${time} (${describeAgo(time, now)})`;
}
