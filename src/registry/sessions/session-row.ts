/** A session's row, checked as it is read: a spoilt row must be told and mended, not believed. */
import { sessionSchema, type SessionRow, type StoredSession } from '../../model/session.ts';
import { RegistryError } from '../errors.ts';

/** Undefined for a row that can't be what it says. */
export function readSession(row: SessionRow): StoredSession | undefined {
  return sessionSchema.safeParse(row).data;
}

/** Throws {@link RegistryError} naming the row and the command that mends it. */
export function toStoredSession(row: SessionRow): StoredSession {
  const session = readSession(row);
  if (session !== undefined) return session;
  throw new RegistryError(
    `The registry's row of session ${row.id} is damaged. \`manager.recoverCorrupted\`, or the clean-up of sessions, brings it to a safe state.`,
    { data: { sessionId: row.id } },
  );
}
