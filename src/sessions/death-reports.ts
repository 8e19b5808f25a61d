/** A death as the registry is told of it, and what the registry tells as a death. */
import type { StoredSession } from '../model/session.ts';
import type { Death, DeathReport } from '../model/death.ts';

/** Commands and pages stay in the run's outcome; the session's row has what happened. */
export function withoutEvidence({ evidence, ...death }: Death): object {
  return { ...death, message: evidence.message };
}

/** Of a session whose lease was lost; as it stands now, null where its row is gone. */
export function toReport(now: StoredSession | null): DeathReport {
  if (now?.status === 'timed_out')
    return { cause: 'timed_out', detectedBy: 'registry', message: now.errorMessage ?? 'it made no progress' };
  const why =
    now === null
      ? 'its row is gone from the registry'
      : `it is ${now.status} by now${now.errorMessage === null ? '' : ` (${now.errorMessage})`}`;
  return { cause: 'lease-lost', detectedBy: 'registry', message: why };
}
