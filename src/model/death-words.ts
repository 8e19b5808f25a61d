/** Deaths in plain words, the same for the terminal and for reports. */
import type { Death, DeathCause, DeathReason, Diagnosis } from './death.ts';

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

/** Returns why a session died, as the beginning of a sentence: `The browser ran out of memory`; otherwise what was found. */
export function describeReason({ cause, diagnosis: { reason, confidence } }: Death): string {
  if (reason === 'unknown') return WHAT_HAPPENED[cause];
  const likely = confidence === 'likely' ? 'probably ' : '';
  return `${SUBJECTS[cause] ?? 'The session'} ${likely}${WHY[reason]}`;
}

/** `probably out-of-memory: 256 MB of 256 MB in use`; empty for the reason `unknown`. */
export function describeEvidence({ reason, confidence, evidence }: Diagnosis): string {
  if (reason === 'unknown') return '';
  return `${confidence === 'likely' ? 'probably ' : ''}${reason}: ${evidence.join('; ')}`;
}

/** The evidence and the advice, as two sentences; empty for the reason `unknown`. */
export function describeDiagnosis(diagnosis: Diagnosis): string {
  const { advice } = diagnosis;
  return [describeEvidence(diagnosis), ...(advice === null ? [] : [advice])].join('. ');
}

/** Returns the advice for these deaths, each once. */
export function listAdvice(deaths: readonly { readonly diagnosis: Diagnosis }[]): string[] {
  return [...new Set(deaths.map(({ diagnosis }) => diagnosis.advice).filter((advice) => advice !== null))];
}
