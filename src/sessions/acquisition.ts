/** The options and results of the manager's callers, and its events. */
import type { RunLease } from '../registry/registry.ts';
import type {
  ObservedOptions,
  SessionObserver,
  SessionSupervisor,
  SupervisorOptions,
} from '../supervisor/supervisor.ts';

export interface AcquireOptions {
  /** The time in milliseconds to wait for a busy owner or a free slot. Default 0: rejects at once. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
  /** The run that the session is for. It is shown to callers that find the owner busy. */
  readonly runId?: string;
  /** Options for a session that this call starts. They don't apply to a running session. */
  readonly supervisor?: SupervisorOptions;
}

/** The observer of one user of a session. It is called after the manager has acted, and no longer after the user's release. */
export type UserObserver = Pick<SessionObserver, 'onStarted' | 'onPagePost' | 'onDead' | 'onEnded'>;

/** The options with those that only the layers above use. The public types don't have them. */
export interface ObservedAcquireOptions extends AcquireOptions {
  readonly supervisor?: Omit<ObservedOptions, 'observer'>;
  /** Observes the session that is handed out, whether or not it is new. Each call needs an object of its own. */
  readonly observer?: UserObserver;
}

export interface RestartOptions {
  readonly signal?: AbortSignal;
  /** Why a live session is ended. Its row gets this message. */
  readonly reason?: string | undefined;
}

/** A session that is passed down to all code that needs it, so that nothing looks it up again. Disposing releases it. */
export interface Acquisition extends AsyncDisposable {
  readonly owner: string;
  readonly supervisor: SessionSupervisor;
  /** The registry's id of the current session: each epoch has its own. */
  readonly sessionId: string;
  /** The lease. Writes under it are refused after another process has taken the owner. */
  readonly lease: RunLease;
  /** False for the call that started the session. */
  readonly reused: boolean;
  /**
   * Starts the next session under the same lease, after a death or in place of a live session. Throws `LeaseLostError` if another process
   * has the owner now.
   */
  restart(options?: RestartOptions): Promise<void>;
  /** Releases the session. It stays, idle, for the next caller. Idempotent. */
  release(): void;
  /** Ends the session for all callers that share it. */
  end(): Promise<void>;
}

/** The events of the manager. `id` is the registry's id of the session. */
export interface SessionManagerEvents {
  'session:created': { readonly id: string; readonly owner: string };
  'session:reused': { readonly id: string; readonly owner: string };
  /** The session's lease was lost, or it died while it had no user. */
  'session:lost': { readonly id: string; readonly owner: string };
  'session:ended': { readonly id: string; readonly owner: string };
  /** The session was idle, and was ended to free a slot. */
  'session:evicted': { readonly id: string; readonly owner: string };
  'cleanup:done': { readonly removed: number; readonly failed: number };
}
