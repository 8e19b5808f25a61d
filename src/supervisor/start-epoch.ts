/** Starts an epoch: its session, its API client and its heartbeat. */
import type { DeathReport } from '../model/death.ts';
import type { Log } from '../core/log.ts';
import { SessionStartError, type BrowserSession } from '../driver/driver.ts';
import type { Epoch } from './epoch.ts';
import { Heartbeat } from './heartbeat.ts';
import { openSession, type SessionSource } from './open-session.ts';
import type { ObservedOptions } from './options.ts';
import { SessionApi } from './session-api.ts';

/** An epoch whose session has started. The parts are still available after its end. */
export interface StartedEpoch {
  readonly epoch: Epoch;
  readonly session: BrowserSession;
  readonly api: SessionApi;
  readonly heartbeat: Heartbeat;
}

/** What a supervisor does about the facts of an epoch. */
export interface EpochListener {
  readonly onAlive: (epoch: Epoch) => void;
  readonly onReport: (epoch: Epoch, report: DeathReport) => void;
  readonly onQuit: (epoch: Epoch) => void;
  /** Called when a command comes after the epoch's halt. A returned error is thrown instead of the halt's reason. */
  readonly onRefused: (epoch: Epoch) => Error | undefined;
  readonly checkSessionHealth: () => Promise<boolean>;
}

export interface StartEpochOptions {
  readonly options: ObservedOptions;
  readonly source: SessionSource;
  readonly heartbeatIntervalMs: number;
  readonly startSignal: AbortSignal | undefined;
  /** Makes the epoch the current one. Called before anything else can happen to the session. */
  readonly begin: (started: StartedEpoch) => void;
  readonly listener: EpochListener;
  readonly log: Log;
}

/** Throws `SessionStartError`, with nothing left behind, if no session can be started. */
export async function startEpoch(epoch: Epoch, given: StartEpochOptions): Promise<void> {
  const { options, source, heartbeatIntervalMs, startSignal, begin, listener, log } = given;
  const { checkSessionHealth } = listener;
  const earlyDeaths: DeathReport[] = [];
  let hasBegun = false;
  const session = await openSession({
    options,
    ...source,
    signal: epoch.signal,
    startSignal,
    log,
    listener: {
      onAlive: () => listener.onAlive(epoch),
      onDeath: (report) => (hasBegun ? listener.onReport(epoch, report) : void earlyDeaths.push(report)),
      onQuit: () => listener.onQuit(epoch),
      onRefused: () => listener.onRefused(epoch),
    },
  });
  // A session that dies during its start has not become the current one, so its death is reported only by this error.
  if (earlyDeaths[0] !== undefined) {
    await session.killNow();
    throw new SessionStartError(`The session ended while it was being started: ${earlyDeaths[0].message}`);
  }
  hasBegun = true;
  begin({
    epoch,
    session,
    api: new SessionApi({ epoch, session, options, log, checkSessionHealth }),
    heartbeat: Heartbeat.of(session, epoch, { intervalMs: heartbeatIntervalMs }),
  });
}
