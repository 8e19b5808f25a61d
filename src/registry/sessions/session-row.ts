/** Validates the rows of sessions, so that a damaged row is reported and repaired instead of used. */
import { sessionSchema, type SessionRow, type StoredSession } from '../../model/session.ts';
import { RegistryError } from '../errors.ts';

/** Returns the session of a row; undefined if the row is damaged. */
export function readSession(row: SessionRow): StoredSession | undefined {
  return sessionSchema.safeParse(row).data;
}

/** Returns the session of a row. Throws {@link RegistryError} with the way to repair the row if it is damaged. */
export function toStoredSession(row: SessionRow): StoredSession {
  const session = readSession(row);
  if (session !== undefined) return session;
  throw new RegistryError(
    `The registry's row of session ${row.id} is damaged. \`manager.recoverCorrupted\`, or the clean-up of sessions, brings it to a safe state.`,
    { data: { sessionId: row.id } },
  );
}
