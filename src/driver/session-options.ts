/** The options of a session, and the reports that it makes to its supervisor. */
import type { DeathReport } from '../model/death.ts';
import type { Log } from '../core/log.ts';
import type { BrowserOptions } from './browser-options.ts';
import type { CommandHook } from './command-transport.ts';
import type { DeathHistory } from './diagnosis/diagnosis.ts';
import type { DriverSource } from './driver-process.ts';
import type { Recorder } from './recorder/recorder.ts';
import type { SessionTarget } from './session-target.ts';

/** The queue of a Grid while a start waits in it. */
export interface QueueState {
  /** The number of requests in the queue, this one included. */
  readonly queued: number;
  readonly slots: number;
  /** The number of slots that have a session. */
  readonly sessions: number;
}

export interface SessionListener {
  /** Called at a proof of life: a command succeeded. */
  readonly onAlive: () => void;
  readonly onDeath: (report: DeathReport) => void;
  /** Called when the action ended the session itself. */
  readonly onQuit: () => void;
  /** Called when a command comes after the halt. A returned error is thrown instead of the halt's reason. */
  readonly onRefused: () => Error | undefined;
}

export interface SessionOptions {
  readonly target: SessionTarget;
  readonly browser: BrowserOptions;
  /** The halt of this epoch. After it aborts, no command starts, and those in flight reject with its reason. */
  readonly signal: AbortSignal;
  /** Aborts the start; has no effect afterwards. */
  readonly startSignal?: AbortSignal;
  readonly commandTimeoutMs: number;
  /** The time limit of a start at another program's endpoint, which may wait for a slot. Default 290 s. */
  readonly startTimeoutMs?: number | undefined;
  /** Called when a start waits in the queue of a Grid, and with undefined when it no longer does. */
  readonly onQueued?: ((state: QueueState | undefined) => void) | undefined;
  readonly heartbeatTimeoutMs: number;
  readonly listener: SessionListener;
  readonly beforeCommand?: CommandHook;
  /** The earlier deaths, which may explain the next one. @default a new, empty history */
  readonly deathHistory?: () => DeathHistory | undefined;
  /** May have the driver of a session on this machine. */
  readonly ahead?: DriverSource | undefined;
  /** See `SessionObserver`. */
  readonly onFolder?: (folder: string) => Promise<void>;
  /** See `TransportOptions`. */
  readonly beforeSend?: () => Promise<void> | undefined;
  /** Called when a page submits a form by POST. */
  readonly onPagePost?: () => void;
  /** Records the session. */
  readonly recorder?: Recorder | undefined;
  readonly log: Log;
}
