/** Describes a session's death for users. */
import { describeDiagnosis, type Death, type DeathCause, type DeathReason } from '../../model/death.ts';
import type { StoredSession } from '../../model/session.ts';
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
/** The subjects of the reasons. Other causes are about the session. */
const SUBJECTS: Readonly<Partial<Record<DeathCause, string>>> = {
  'browser-gone': 'The browser',
  'driver-gone': 'The driver',
  'tab-crashed': 'The browser tab',
  frozen: 'The browser or its driver',
};
const WHY: Readonly<Record<Exclude<DeathReason, 'unknown'>, string>> = {
  'out-of-memory': 'ran out of memory',
  'shared-memory-full': 'had no shared memory left',
  'disk-full': 'had no disk space left',
  'limit-reached': 'reached a limit of the system',
  crashed: 'crashed',
  'ended-from-outside': 'was ended from outside',
  'machine-slept': 'was lost while the machine slept',
  overloaded: 'did not answer because the machine was overloaded',
  page: 'died again on the same page',
  grid: 'was ended by the Grid',
};

/**
 * The root cause on one line: `The browser ran out of memory (browser-gone, noticed by devtools) at 2026-11-20T18:15:30.123Z, 1 of 2 done:
 * 256 MB of 256 MB in use`.
 */
export function describeDeath(death: Death, { done, total }: Pick<RunCounts, 'done' | 'total'>): string {
  const { cause, detectedBy, at, diagnosis } = death;
  const figures = diagnosis.evidence[0] === undefined ? '' : `: ${diagnosis.evidence[0]}`;
  return `${describeReason(death)} (${cause}, noticed by ${detectedBy}) at ${at}, ${done} of ${total} done${figures}`;
}

/** A death as its row has it: `browser-gone, noticed by devtools at … (session 2): the socket closed; out-of-memory: 256 MB of 256 MB`. */
export function describeStoredDeath(
  { cause, detectedBy, at, epoch, diagnosis }: NonNullable<StoredSession['death']> | Death,
  message: unknown,
): string {
  const why = describeDiagnosis(diagnosis);
  return [
    `${cause}, noticed by ${detectedBy}`,
    typeof at === 'string' ? ` at ${at}` : '',
    typeof epoch === 'number' ? ` (session ${epoch})` : '',
    typeof message === 'string' ? `: ${message}` : '',
    why === '' ? '' : `; ${why}`,
  ].join('');
}

/** `browser-gone (out-of-memory) ×3, frozen ×1`, the most frequent first. */
export function tallyCauses(deaths: readonly Death[]): string {
  const groups = [...Map.groupBy(deaths, nameDeath)].sort(([, a], [, b]) => b.length - a.length);
  return groups.map(([name, { length }]) => `${name} ×${length}`).join(', ');
}

/** The advice for these deaths, each once. */
export function listAdvice(deaths: readonly Death[]): string[] {
  return [...new Set(deaths.map(({ diagnosis }) => diagnosis.advice).filter((advice) => advice !== null))];
}

function describeReason({ cause, diagnosis: { reason, confidence } }: Death): string {
  if (reason === 'unknown') return WHAT_HAPPENED[cause];
  const likely = confidence === 'likely' ? 'probably ' : '';
  return `${SUBJECTS[cause] ?? 'The session'} ${likely}${WHY[reason]}`;
}

function nameDeath({ cause, diagnosis: { reason } }: Death): string {
  return reason === 'unknown' ? cause : `${cause} (${reason})`;
}
