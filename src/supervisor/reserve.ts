/** The driver or the session that a supervisor starts in advance for its next session. */
import type { Log } from '../core/log.ts';
import { DriverAhead } from '../driver/driver.ts';
import type { ObservedOptions } from './options.ts';
import { StandbyKeeper } from './standby/standby-keeper.ts';

/** The time for which the reserve waits for the next session after the last one has ended. A supervisor may never be stopped. */
const IDLE_LIMIT_MS = 60_000;

export class Reserve {
  /** Undefined if there is a standby, which has a driver, and at an endpoint. */
  readonly driver: DriverAhead | undefined;
  readonly standby: StandbyKeeper | undefined;
  /** False if the keeper belongs to the caller of the supervisor. */
  readonly #isOwn: boolean = true;
  #timer: NodeJS.Timeout | undefined;

  constructor({ standby = false, standbyKeeper, gridUrl }: ObservedOptions, log: Log) {
    if (standbyKeeper instanceof StandbyKeeper) {
      this.standby = standbyKeeper;
      this.#isOwn = false;
    } else if (standby) this.standby = new StandbyKeeper({ log });
    else if (gridUrl === undefined) this.driver = new DriverAhead(log);
  }

  /** Called when a session has ended. Ends the reserve if no other session begins within a minute. */
  expireSoon(): void {
    clearTimeout(this.#timer);
    if (this.driver === undefined && (this.standby === undefined || !this.#isOwn)) return;
    this.#timer = setTimeout(() => void this.stop(), IDLE_LIMIT_MS).unref();
  }

  /** Called when a session is about to begin. */
  keep(): void {
    clearTimeout(this.#timer);
  }

  /** Never rejects. Resolves when nothing is left of what only this supervisor could use. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.driver?.stop();
    if (this.#isOwn) await this.standby?.stop();
  }
}
