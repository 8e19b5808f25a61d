/** Times in words of a table's cell. */
const UNITS = [
  { unit: 'd', ms: 86_400_000 },
  { unit: 'h', ms: 3_600_000 },
  { unit: 'min', ms: 60_000 },
] as const;
/** From so many of a unit on: 90 s says more than 1 min. */
const LEAST = 2;

/** `90 s`, `12 min`, `5 h`, `3 d`. A clock that was set back makes nothing younger than 0 s; a dash for what is no time. */
export function describeSpan(ms: number): string {
  if (Number.isNaN(ms)) return '–';
  const found = UNITS.find((one) => ms >= one.ms * LEAST);
  return found === undefined
    ? `${Math.max(0, Math.floor(ms / 1_000))} s`
    : `${Math.floor(ms / found.ms)} ${found.unit}`;
}

/** The same, with a decimal where seconds are few: how long something took. */
export function describeDuration(ms: number): string {
  return ms < 10_000 ? `${(Math.max(0, ms) / 1_000).toFixed(1)} s` : describeSpan(ms);
}

/** `3 s ago`, or a dash for what never was, or is no time. */
export function describeAgo(time: string | null, now = Date.now()): string {
  const span = describeSpan(now - Date.parse(time ?? ''));
  return span === '–' ? span : `${span} ago`;
}

/** `2026-11-20T18:15:30.123Z (3 min ago)`. */
export function describeTime(time: string, now = Date.now()): string {
  return `${time} (${describeAgo(time, now)})`;
}
