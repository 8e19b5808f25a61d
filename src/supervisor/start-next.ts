/** How the next session is started after a death: as often, and as soon, as the restart limit allows. */
import { delay } from '../core/abort.ts';
import type { Log } from '../core/log.ts';
import { SessionStartError } from '../driver/driver.ts';
import type { RestartLimit } from './restart-limit.ts';

export interface NextSession {
  readonly start: () => Promise<void>;
  /** Whether the last session died. Only the end of a session that had been alive is worth a second start. */
  readonly isAfterDeath: () => boolean;
  readonly limit: RestartLimit;
  /** Why the last session ended. */
  readonly cause: unknown;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Throws `RestartLimitError` beyond the limit; a failed start after an end that was asked for is thrown as it is. */
export async function startNext({ start, isAfterDeath, limit, signal, log, ...given }: NextSession): Promise<void> {
  let { cause } = given;
  for (;;) {
    if (isAfterDeath()) await delay(limit.take(cause), signal);
    try {
      return await start();
    } catch (thrown) {
      if (!isAfterDeath() || !(thrown instanceof SessionStartError)) throw thrown;
      log.warn('The next session could not be started; trying again', { reason: thrown.message });
      cause = thrown;
    }
  }
}
