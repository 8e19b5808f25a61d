/** Describes a session's death for users. */
import type { Death } from '../../model/death.ts';
import { describeEvidence, describeReason } from '../../model/death-words.ts';
import type { StoredSession } from '../../model/session.ts';
import type { RunCounts } from '../../runs/runs.ts';

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
  const why = describeEvidence(diagnosis);
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

function nameDeath({ cause, diagnosis: { reason } }: Death): string {
  return reason === 'unknown' ? cause : `${cause} (${reason})`;
}
