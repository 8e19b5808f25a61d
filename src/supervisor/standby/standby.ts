/** A session that was started in advance. It is no supervisor's session until it is promoted. */
import { raceSignal } from '../../core/abort.ts';
import type { Log } from '../../core/log.ts';
import { launchAhead, SessionEndedError, type BrowserSession } from '../../driver/driver.ts';
import { Epoch } from '../epoch.ts';
import { Heartbeat } from '../heartbeat.ts';
import { startSession } from '../open-session.ts';
import { DEFAULT_HEARTBEAT_INTERVAL_MS, type SupervisorOptions } from '../options.ts';
import { toSessionOptions, type SessionUser } from '../session-user.ts';
import { resolveTarget } from '../target.ts';

export interface StandbyOptions {
  /** Aborts the start. */
  readonly signal: AbortSignal;
  /** Called when the session dies before it is promoted. */
  readonly onDeath: (reason: string) => void;
  readonly log: Log;
}

export interface Promotion {
  /** Returns the supervisor that gets the session. */
  readonly user: (epoch: Epoch) => SessionUser;
  /** The number of the session's epoch. */
  readonly number: number;
  readonly signal: AbortSignal | undefined;
}

export class Standby {
  /** The epoch that begins with the promotion. */
  readonly epoch = new Epoch(0);
  readonly #onDeath: (reason: string) => void;
  #session: BrowserSession | undefined;
  #heartbeat: Heartbeat | undefined;
  #isDead = false;
  #user: SessionUser = {
    listener: {
      onAlive: () => this.#heartbeat?.beat(),
      onDeath: ({ message }) => {
        this.#isDead = true;
        this.#onDeath(message);
      },
      onQuit: () => undefined,
      onRefused: () => undefined,
    },
  };

  /** Throws `SessionStartError` if no session can be started. Nothing is left behind then. */
  static async start(
    options: SupervisorOptions,
    { signal: startSignal, onDeath, log }: StandbyOptions,
  ): Promise<Standby> {
    const standby = new Standby(onDeath);
    const { signal } = standby.epoch;
    const parts = { options, target: await resolveTarget(options), signal, startSignal, log };
    const session = await startSession({ ...toSessionOptions(parts, () => standby.#user), ahead: launchAhead });
    standby.#session = session;
    standby.#heartbeat = Heartbeat.of(session, standby.epoch, {
      intervalMs: options.heartbeatIntervalMs ?? DEFAULT_HEARTBEAT_INTERVAL_MS,
    });
    return standby;
  }

  private constructor(onDeath: (reason: string) => void) {
    this.#onDeath = onDeath;
  }

  get session(): BrowserSession {
    if (this.#session === undefined) throw new SessionEndedError();
    return this.#session;
  }

  /**
   * Makes it the session of a supervisor. Returns false if it does not answer, and rejects as `onFolder` does or with the signal's reason.
   * In both cases it has ended, and nothing of it is left.
   */
  async promote({ user: toUser, number, signal = new AbortController().signal }: Promotion): Promise<boolean> {
    this.#heartbeat?.stop();
    const user = toUser(this.epoch);
    const folder = this.session.driverProcess?.folder;
    try {
      const storing = folder === undefined ? undefined : user.observer?.onFolder?.(folder);
      const [isAlive] = await raceSignal(Promise.all([this.session.probe('heartbeat'), storing]), signal);
      if (isAlive && !this.#isDead) {
        this.epoch.number = number;
        this.#user = user;
        if (user.recorder !== undefined) this.session.record(user.recorder);
        return true;
      }
    } catch (thrown) {
      await this.end();
      throw thrown;
    }
    await this.end();
    return false;
  }

  /** Ends the session without a promotion. Idempotent. Resolves when nothing of it is left. */
  async end(): Promise<void> {
    this.#heartbeat?.stop();
    this.epoch.halt(new SessionEndedError());
    await this.#session?.killNow();
  }
}
