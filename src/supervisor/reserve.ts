/** The driver or the session that a supervisor starts in advance for its next session. */
import type { Log } from '../core/log.ts';
import { DriverAhead } from '../driver/driver.ts';
import type { ObservedOptions } from './options.ts';
import { StandbyKeeper } from './standby/standby-keeper.ts';

export class Reserve {
  /** Undefined if there is a standby, which has a driver. */
  readonly driver: DriverAhead | undefined;
  readonly standby: StandbyKeeper | undefined;
  /** False if the keeper belongs to the caller of the supervisor. */
  readonly #isOwn: boolean = true;

  constructor({ standby = false, standbyKeeper }: ObservedOptions, log: Log) {
    if (standbyKeeper instanceof StandbyKeeper) {
      this.standby = standbyKeeper;
      this.#isOwn = false;
    } else if (standby) this.standby = new StandbyKeeper({ log });
    else this.driver = new DriverAhead(log);
  }

  /** Resolves when nothing is left of what only this supervisor could use. */
  async stop(): Promise<void> {
    await this.driver?.stop();
    if (this.#isOwn) await this.standby?.stop();
  }
}
