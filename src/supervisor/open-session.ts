/** Opens a session with a supervisor's options. */
import { anySignal, delay, raceSignal } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import {
  isForOneBrowser,
  SessionStartError,
  startBrowserSession,
  type BrowserSession,
  type DeathHistory,
  type DriverAhead,
  type SessionOptions,
  type SessionTarget,
} from '../driver/driver.ts';
import type { ObservedOptions } from './options.ts';
import type { AutoRestore } from './restore/auto-restore.ts';
import { toSessionOptions, type SessionUser } from './session-user.ts';
import { resolveTarget } from './target.ts';
import { sessionTurns } from './turn-limit.ts';

const MAX_START_ATTEMPTS = 3;
const START_PAUSE_MS = 200;
/** The time for which passing failures of an endpoint are answered by another attempt. A hub restarts in 2 to 4 s. */
const ENDPOINT_RETRY_MS = 10_000;
const ENDPOINT_PAUSE_MS = 500;

/** The source of a session and of its first state. */
export interface SessionSource {
  /** A session that another program started; undefined if the supervisor starts its own. */
  readonly attachTo?: SessionTarget;
  /** Brings the state of the last session into the next one. */
  readonly restore?: AutoRestore | undefined;
  /** The deaths of the supervisor's earlier sessions. */
  readonly deathHistory?: DeathHistory;
}

export interface OpenSessionOptions extends SessionSource {
  readonly options: ObservedOptions;
  /** The epoch's halt. */
  readonly signal: AbortSignal;
  readonly startSignal: AbortSignal | undefined;
  /** Has the driver that waits for this session, and gets the one for the next session. */
  readonly ahead?: DriverAhead | undefined;
  readonly user: SessionUser;
  readonly log: Log;
}

/** Returns true if a session can start only when nothing is left of the last one. A Grid may have no second slot. */
export function isForOneSession(options: ObservedOptions): boolean {
  return options.gridUrl !== undefined || isForOneBrowser(options);
}

/** Throws `SessionStartError` if no session can be opened. Nothing is left behind then. */
export async function openSession(given: OpenSessionOptions): Promise<BrowserSession> {
  const { options, attachTo, ahead, signal, startSignal, user, restore, log } = given;
  const target = attachTo ?? (await resolveTarget(options));
  const parts = { options, target, signal, startSignal, log };
  const session = await startSession({ ...toSessionOptions(parts, () => user), ahead });
  // Another program started it, so nothing has proved yet that it is alive.
  if (attachTo !== undefined) await session.probe('command');
  if (restore !== undefined) await restoreInto(session, restore, anySignal(signal, startSignal));
  if (target.kind === 'own') ahead?.beginSoon({ ...target, environment: options.environment });
  return session;
}

/**
 * Tries again if the browser or the driver ended during the start, if the driver was started ahead, or, for 10 s, if an endpoint had a passing
 * failure. An aborted start rejects after everything that it started is removed.
 */
export async function startSession(options: SessionOptions): Promise<BrowserSession> {
  const isOwn = options.target.kind === 'own';
  const signal = anySignal(options.signal, options.startSignal);
  let failedAt: number | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const { isWaiting = false } = options.ahead ?? {};
    try {
      return await sessionTurns.run(() => startBrowserSession(options), { signal });
    } catch (thrown) {
      failedAt ??= performance.now();
      // A driver that has waited may not fit the browser any more, for example after an update.
      const isWorthIt = thrown instanceof SessionStartError && (thrown.isInterrupted || (isOwn && isWaiting));
      const isLast = isOwn ? attempt === MAX_START_ATTEMPTS : performance.now() - failedAt > ENDPOINT_RETRY_MS;
      if (!isWorthIt || isLast || options.target.kind === 'attached') throw thrown;
      const message = 'The browser session could not be started; the start is repeated';
      // An endpoint that is not up fails every half second.
      if (isOwn || attempt === 1) options.log.warn(message, { reason: thrown.message });
      await delay(isOwn ? START_PAUSE_MS : ENDPOINT_PAUSE_MS, signal);
    }
  }
}

/** Restores the state. A failure ends the session, because work on a session without its state would differ from the work before. */
export async function restoreInto(session: BrowserSession, restore: AutoRestore, signal: AbortSignal): Promise<void> {
  try {
    await raceSignal(restore.begin(session), signal);
  } catch (thrown) {
    await session.killNow();
    signal.throwIfAborted();
    const cause = toError(thrown);
    throw new SessionStartError(`The browser's state could not be brought into the new session: ${cause.message}`, {
      cause,
    });
  }
}
