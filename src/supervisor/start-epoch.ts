/** Starts an epoch: its session, its API client and its heartbeat. */
import type { DeathReport } from '../model/death.ts';
import { anySignal } from '../core/abort.ts';
import type { Log } from '../core/log.ts';
import { SessionStartError, type BrowserSession } from '../driver/driver.ts';
import { Epoch } from './epoch.ts';
import { Heartbeat } from './heartbeat.ts';
import { isForOneSession, openSession, restoreInto, type SessionSource } from './open-session.ts';
import type { ObservedOptions } from './options.ts';
import type { Reserve } from './reserve.ts';
import { SessionApi } from './session-api.ts';
import type { SessionUser } from './session-user.ts';

/** An epoch whose session has started. The parts are still available after its end. */
export interface StartedEpoch {
  readonly epoch: Epoch;
  readonly session: BrowserSession;
  readonly api: SessionApi;
  readonly heartbeat: Heartbeat;
}

/** The callbacks by which an epoch reports its facts to the supervisor. */
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
  readonly reserve: Reserve;
  /** Resolves when nothing is left of the sessions that have ended. */
  readonly cleanedUp: () => Promise<void>;
  readonly heartbeatIntervalMs: number;
  readonly startSignal: AbortSignal | undefined;
  /** Makes the epoch the current one. Called before anything else can happen to the session. */
  readonly begin: (started: StartedEpoch) => void;
  readonly listener: EpochListener;
  readonly log: Log;
}

/** Promotes the standby, or starts a session. Throws `SessionStartError`, with nothing left behind, if neither is possible. */
export async function startEpoch(number: number, given: StartEpochOptions): Promise<void> {
  const { options, source, reserve, heartbeatIntervalMs, begin, listener, log } = given;
  const { checkSessionHealth } = listener;
  reserve.keep();
  const earlyDeaths: DeathReport[] = [];
  let hasBegun = false;
  const toUser = (epoch: Epoch): SessionUser => ({
    beforeCommand: source.restore?.before ?? options.beforeCommand,
    observer: options.observer,
    recorder: options.recorder,
    deathHistory: source.deathHistory,
    listener: {
      onAlive: () => listener.onAlive(epoch),
      onDeath: (report) => (hasBegun ? listener.onReport(epoch, report) : void earlyDeaths.push(report)),
      onQuit: () => listener.onQuit(epoch),
      onRefused: () => listener.onRefused(epoch),
    },
  });
  const { epoch, session } = (await promote(number, toUser, given)) ?? (await open(new Epoch(number), toUser, given));
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
  reserve.standby?.beginSoon(options);
}

type Opened = Pick<StartedEpoch, 'epoch' | 'session'>;

async function open(
  epoch: Epoch,
  toUser: (epoch: Epoch) => SessionUser,
  { options, source, reserve, cleanedUp, startSignal, log }: StartEpochOptions,
): Promise<Opened> {
  if (isForOneSession(options)) await cleanedUp();
  const given = { options, ...source, ahead: reserve.driver, startSignal, log };
  return { epoch, session: await openSession({ ...given, signal: epoch.signal, user: toUser(epoch) }) };
}

/** Returns undefined if there is no standby that answers. */
async function promote(
  number: number,
  toUser: (epoch: Epoch) => SessionUser,
  { options, source: { restore }, reserve, startSignal, log }: StartEpochOptions,
): Promise<Opened | undefined> {
  const standby = await reserve.standby?.take(options, startSignal);
  if (standby === undefined || !(await standby.promote({ user: toUser, number, signal: startSignal })))
    return undefined;
  const { epoch, session } = standby;
  if (restore !== undefined) await restoreInto(session, restore, anySignal(epoch.signal, startSignal));
  log.debug('The standby was promoted', { epoch: number });
  return { epoch, session };
}
