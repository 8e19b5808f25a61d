/** Describes a session's death for users. */
import type { Death, DeathCause } from '../../model/death.ts';
import type { RunCounts } from '../../runs/runs.ts';

const WHAT_HAPPENED: Readonly<Record<DeathCause, string>> = {
  'browser-gone': 'The browser was killed or crashed',
  'driver-gone': 'The driver was killed or crashed',
  'tab-crashed': 'The browser tab crashed',
  frozen: 'The browser or its driver froze',
  'session-removed': 'The session was ended from outside',
  'network-lost': 'The connection to the browser was lost',
  timed_out: 'The session was ended because it made no progress',
  'lease-lost': 'Another process took the session over',
};
/** Signals that a user or a program sends. The other signals come from a crash. */
const SENT_SIGNALS = /\b(?:signal (?:1|2|9|15)|SIGHUP|SIGINT|SIGKILL|SIGTERM)\b/;

/** The root cause on one line: `The browser was killed (browser-gone, noticed by devtools) at 2026-11-20T18:15:30.123Z, 1 of 2 done`. */
export function describeDeath(death: Death, { done, total }: Pick<RunCounts, 'done' | 'total'>): string {
  const { cause, detectedBy, at } = death;
  return `${whatHappened(death)} (${cause}, noticed by ${detectedBy}) at ${at}, ${done} of ${total} done`;
}

/** A death as its row has it: `browser-gone, noticed by devtools at … (session 2): the browser was ended by SIGKILL`. */
export function describeStoredDeath(
  { cause, detectedBy, at, epoch }: Readonly<Record<'cause' | 'detectedBy', string> & Record<string, unknown>>,
  message: unknown,
): string {
  return [
    `${cause}, noticed by ${detectedBy}`,
    typeof at === 'string' ? ` at ${at}` : '',
    typeof epoch === 'number' ? ` (session ${epoch})` : '',
    typeof message === 'string' ? `: ${message}` : '',
  ].join('');
}

/** `browser-gone ×3, frozen ×1`, the most frequent first. */
export function tallyCauses(deaths: readonly Death[]): string {
  const groups = [...Map.groupBy(deaths, ({ cause }) => cause)].sort(([, a], [, b]) => b.length - a.length);
  return groups.map(([cause, { length }]) => `${cause} ×${length}`).join(', ');
}

function whatHappened({ cause, evidence }: Death): string {
  const wasKilled = SENT_SIGNALS.test(evidence.message);
  if (cause === 'browser-gone' && wasKilled) return 'The browser was killed';
  if (cause === 'driver-gone' && wasKilled) return 'The driver was killed';
  return WHAT_HAPPENED[cause];
}
