/** Converts deaths for the registry, and rows of the registry into reports of deaths. */
import type { StoredSession } from '../model/session.ts';
import type { Death, DeathReport } from '../model/death.ts';

/** Returns a death without its commands and pages, which are in the run's outcome. The session's row stores only what happened. */
export function withoutEvidence({ evidence, ...death }: Death): object {
  return { ...death, message: evidence.message };
}

/** Returns the report for a session whose lease was lost. `now` is its current row, or null if the row is gone. */
export function toReport(now: StoredSession | null): DeathReport {
  if (now?.status === 'timed_out')
    return { cause: 'timed_out', detectedBy: 'registry', message: now.errorMessage ?? 'it made no progress' };
  const why =
    now === null
      ? 'its row is gone from the registry'
      : `it is ${now.status} by now${now.errorMessage === null ? '' : ` (${now.errorMessage})`}`;
  return { cause: 'lease-lost', detectedBy: 'registry', message: why };
}
