/** The supervisor behind a session. A standby has none until it is promoted, so a session asks for its user at each call. */
import type {
  CommandHook,
  DeathHistory,
  Recorder,
  SessionListener,
  SessionOptions,
  SessionTarget,
} from '../driver/driver.ts';
import type { Log } from '../core/log.ts';
import { DEFAULT_COMMAND_TIMEOUT_MS, DEFAULT_HEARTBEAT_TIMEOUT_MS, type ObservedOptions } from './options.ts';
import type { SessionObserver } from './session-observer.ts';

export interface SessionUser {
  readonly listener: SessionListener;
  readonly beforeCommand?: CommandHook | undefined;
  readonly observer?: SessionObserver | undefined;
  readonly recorder?: Recorder | undefined;
  /** The deaths of the supervisor's earlier sessions. */
  readonly deathHistory?: DeathHistory | undefined;
}

interface SessionParts {
  readonly options: ObservedOptions;
  readonly target: SessionTarget;
  /** The epoch's halt. */
  readonly signal: AbortSignal;
  readonly startSignal: AbortSignal | undefined;
  readonly log: Log;
}

export function toSessionOptions(
  { options, target, signal, startSignal, log }: SessionParts,
  user: () => SessionUser,
): SessionOptions {
  return {
    target,
    browser: options,
    signal,
    commandTimeoutMs: options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS,
    heartbeatTimeoutMs: options.heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_TIMEOUT_MS,
    startTimeoutMs: options.startTimeoutMs,
    onQueued: options.onQueued,
    ...(startSignal === undefined ? {} : { startSignal }),
    beforeCommand: (command) => user().beforeCommand?.(command),
    beforeSend: () => user().observer?.beforeSend?.(),
    onFolder: async (folder) => user().observer?.onFolder?.(folder),
    recorder: user().recorder,
    deathHistory: () => user().deathHistory,
    onPagePost: () => user().observer?.onPagePost?.(signal),
    listener: {
      onAlive: () => user().listener.onAlive(),
      onDeath: (report) => user().listener.onDeath(report),
      onQuit: () => user().listener.onQuit(),
      onRefused: () => user().listener.onRefused(),
    },
    log,
  };
}
