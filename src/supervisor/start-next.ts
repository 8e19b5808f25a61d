/** Starts the next session after a death, within the restart limit. */
import { delay } from '../core/abort.ts';
import type { Log } from '../core/log.ts';
import { SessionStartError } from '../driver/driver.ts';
import type { RestartLimit } from './restart-limit.ts';

export interface NextSession {
  readonly start: () => Promise<void>;
  /**
   * Returns true if the last session died. Failed starts are repeated only after a death, not after a session that was ended on purpose.
   */
  readonly isAfterDeath: () => boolean;
  readonly limit: RestartLimit;
  /** The reason for which the last session ended. */
  readonly cause: unknown;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Throws `RestartLimitError` beyond the limit. If the last session was ended on purpose, an error of the start is thrown as it is. */
export async function startNext({ start, isAfterDeath, limit, signal, log, ...given }: NextSession): Promise<void> {
  let { cause } = given;
  for (;;) {
    if (isAfterDeath()) await delay(limit.take(cause), signal);
    try {
      return await start();
    } catch (thrown) {
      if (!isAfterDeath() || !(thrown instanceof SessionStartError)) throw thrown;
      log.warn('The next session could not be started; the start is repeated', { reason: thrown.message });
      cause = thrown;
    }
  }
}
