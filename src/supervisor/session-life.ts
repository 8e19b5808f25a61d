/** How a session is opened with a supervisor's options, and cleared away under a deadline of its own. */
import { anySignal, delay, raceSignal, settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import {
  BrowserSession,
  SessionStartError,
  type SessionListener,
  type SessionOptions,
  type SessionTarget,
} from '../driver/driver.ts';
import { DEFAULT_COMMAND_TIMEOUT_MS, DEFAULT_HEARTBEAT_TIMEOUT_MS, type SupervisorOptions } from './options.ts';
import type { AutoRestore } from './restore/auto-restore.ts';
import { resolveTarget } from './target.ts';

const CLEAN_UP_LIMIT_MS = 15_000;
const START_ATTEMPTS = 3;
const START_PAUSE_MS = 200;

/** Where a session, and what it begins with, come from. */
export interface SessionSource {
  /** Somebody else's session, instead of one of our own. */
  readonly attachTo?: SessionTarget;
  /** Brings the state of the last session into the next one. */
  readonly restore?: AutoRestore | undefined;
}

export interface OpenSessionOptions extends SessionSource {
  readonly options: SupervisorOptions;
  /** The epoch's halt. */
  readonly signal: AbortSignal;
  readonly startSignal: AbortSignal | undefined;
  readonly listener: SessionListener;
  readonly log: Log;
}

/** Throws `SessionStartError`, with nothing left behind, when there is no session to be had. */
export async function openSession(given: OpenSessionOptions): Promise<BrowserSession> {
  const { options, attachTo, signal, startSignal, listener, restore, log } = given;
  const beforeCommand = restore?.before ?? options.beforeCommand;
  const target = attachTo ?? (await resolveTarget(options));
  const session = await startSession({
    target,
    browser: options,
    signal,
    commandTimeoutMs: options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS,
    heartbeatTimeoutMs: options.heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_TIMEOUT_MS,
    ...(startSignal === undefined ? {} : { startSignal }),
    ...(options.onPagePost === undefined ? {} : { onPagePost: options.onPagePost }),
    ...(beforeCommand === undefined ? {} : { beforeCommand }),
    ...(options.beforeSend === undefined ? {} : { beforeSend: options.beforeSend }),
    ...(options.onFolder === undefined ? {} : { onFolder: options.onFolder }),
    log,
    listener,
  });
  // Its start was somebody else's, so nothing has shown yet that it lives.
  if (attachTo !== undefined) await session.probe('command');
  if (restore !== undefined) await restoreInto(session, restore, anySignal(signal, startSignal));
  return session;
}

/** Starts again if browser or driver went away during the start. An aborted start rejects when nothing of it is left. */
async function startSession(options: SessionOptions): Promise<BrowserSession> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await BrowserSession.start(options);
    } catch (thrown) {
      const isWorthIt = options.target.kind === 'own' && thrown instanceof SessionStartError && thrown.isInterrupted;
      if (!isWorthIt || attempt === START_ATTEMPTS) throw thrown;
      options.log.warn('The browser session could not be started; trying again', { reason: thrown.message });
      await delay(START_PAUSE_MS, anySignal(options.signal, options.startSignal));
    }
  }
}

/** A session without its state would do other work than the last one: it is none. */
async function restoreInto(session: BrowserSession, restore: AutoRestore, signal: AbortSignal): Promise<void> {
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

/** Waits for `work` for so long as is sensible, and logs what went wrong with it. Never rejects. */
export async function settleCleanUp(work: Promise<void>, log: Log): Promise<void> {
  try {
    if (await settlesWithin(work, CLEAN_UP_LIMIT_MS)) await work;
    else log.error('Ending the browser takes too long; going on');
  } catch (thrown) {
    log.error('The browser could not be cleared away completely', { reason: toError(thrown).message });
  }
}
