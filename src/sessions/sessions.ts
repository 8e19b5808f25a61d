/**
 * The room of owners. Its laws: an owner has at most one live session, whoever asks and from where; the session is looked up once and
 * handed down; who lost the lease halts, and writes nothing more; what a process leaves that is gone is cleared by the next one.
 */
export { SessionBusyError, SessionCapacityError, SessionLockError, SessionNotFoundError } from './errors.ts';
export type { AcquireOptions, Acquisition, SessionManagerEvents } from './acquisition.ts';
export type { ManagerSettings } from './manager-settings.ts';
export { SessionManager, type SessionManagerOptions } from './session-manager.ts';
