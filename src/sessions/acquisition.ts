/** What callers of the manager give and get, and what its listeners are told. */
import type { RunLease } from '../registry/registry.ts';
import type { SessionSupervisor, SupervisorOptions } from '../supervisor/supervisor.ts';

export interface AcquireOptions {
  /** How long to wait for an owner that is busy, or for a free place. Default 0: told at once. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
  /** What the session is for; shown to whoever finds the owner busy. */
  readonly runId?: string;
  /** Only for a session that is started by this call. */
  readonly supervisor?: SupervisorOptions;
}

/** A session that was handed down: everything that needs it is given this, and looks nothing up. Disposing gives it back. */
export interface Acquisition extends AsyncDisposable {
  readonly owner: string;
  readonly supervisor: SessionSupervisor;
  /** The registry's id of the session as it is now: each epoch has its own. */
  readonly sessionId: string;
  /** What is written under it is refused once somebody else holds the owner. */
  readonly lease: RunLease;
  /** False for the one call that started it. */
  readonly reused: boolean;
  /** The next session under the same lease, after a death. Throws `LeaseLostError` where the owner belongs to somebody else by now. */
  restart(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Gives it back; the session stays, idle, for the next one who asks. Idempotent. */
  release(): void;
  /** Ends the session for all who share it. */
  end(): Promise<void>;
}

/** What listeners are told. `id` is the registry's. */
export interface SessionManagerEvents {
  'session:created': { readonly id: string; readonly owner: string };
  'session:reused': { readonly id: string; readonly owner: string };
  /** Its lease was lost, or it died while nobody used it. */
  'session:lost': { readonly id: string; readonly owner: string };
  'session:ended': { readonly id: string; readonly owner: string };
  /** Idle, and ended to make room. */
  'session:evicted': { readonly id: string; readonly owner: string };
  'cleanup:done': { readonly removed: number; readonly failed: number };
}
