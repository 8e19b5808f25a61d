/**
 * The calls by which a supervisor drives the layer above it. At each fact the supervisor changes its own state first, then calls the
 * observer, and then emits the public event, so that no listener of a user comes between a fact and its consequences.
 */
import type { Death, DeathReport } from '../model/death.ts';

/** A session that has started. */
export interface StartedSession {
  readonly sessionId: string | undefined;
  readonly pids: { readonly driver: number | undefined; readonly browser: number | undefined };
  /** May contain credentials. */
  readonly endpointUrl: string | undefined;
  /** Undefined if the supervisor did not start the driver. */
  readonly driverFolder: string | undefined;
  /** As the driver or the Grid has answered them. */
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/** The methods that return nothing must not throw. */
export interface SessionObserver {
  /**
   * Called with the temporary folder of a session on this machine, before the folder is created and the driver is started. The start waits
   * for the promise, and fails if it rejects.
   */
  onFolder?(folder: string): Promise<void>;
  /** Called when a session has started, also by a restart. */
  onStarted?(session: StartedSession): void;
  /**
   * Called before each WebDriver command except a quit, and before each attempt of an API call. The caller can use it to prove first that
   * it still owns the session. A returned promise is awaited; a rejection refuses the command or fails the attempt.
   */
  beforeSend?(): Promise<void> | undefined;
  /** Called when the page of `session`, a session's halt, submits a form by POST, if DevTools reports it. */
  onPagePost?(session: AbortSignal): void;
  /**
   * Called before a death is declared. Can return a report that names a deeper reason (a lease that expired while this program was
   * suspended). If it returns undefined, the given report is declared at once. A promise is awaited for at most 2 s.
   */
  explainDeath?(report: DeathReport): Promise<DeathReport> | undefined;
  /** Called when a death is declared: the session's work is halted, and its processes are being ended. */
  onDead?(death: Death): void;
  /** Called when the session has ended on purpose. */
  onEnded?(): void;
  /** Called when another program's endpoint has confirmed that a session of this supervisor no longer exists. */
  onReleased?(sessionId: string): void;
}
