/**
 * Manages the sessions of owners. Invariants: an owner has at most one live session, across all callers and processes; the session is
 * looked up once and passed down; a process that has lost the lease halts and writes nothing more; the leftovers of a dead process are
 * cleaned up by the next one.
 */
export { SessionBusyError, SessionCapacityError, SessionLockError, SessionNotFoundError } from './errors.ts';
export type { AcquireOptions, Acquisition, ObservedAcquireOptions, SessionManagerEvents } from './acquisition.ts';
export type { ManagerSettings } from './manager-settings.ts';
export { SessionManager, type SessionManagerOptions } from './session-manager.ts';
