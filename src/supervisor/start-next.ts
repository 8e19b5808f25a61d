/** Starts the next session after a death, within the restart limit. */
import { delay } from '../core/abort.ts';
import type { Log } from '../core/log.ts';
import { SessionStartError } from '../driver/driver.ts';
import type { RestartLimit } from './restart-limit.ts';

/** How starts are repeated while an endpoint is away, such as a hub that is restarted or updated: every 2 s, for at most 5 minutes. */
const DEFAULT_AWAY = { pauseMs: 2_000, limitMs: 300_000 };

export interface NextSession {
  readonly start: () => Promise<void>;
  /**
   * Returns true if the last session died. Failed starts are repeated only after a death, not after a session that was ended on purpose.
   */
  readonly isAfterDeath: () => boolean;
  readonly limit: RestartLimit;
  /** The reason for which the last session ended. */
  readonly cause: unknown;
  readonly away?: { readonly pauseMs: number; readonly limitMs: number };
  readonly signal: AbortSignal;
  readonly log: Log;
}

/**
 * Throws `RestartLimitError` beyond the limit. Starts that fail because another program's endpoint is away do not count, for 5 minutes. If
 * the last session was ended on purpose, an error of the start is thrown as it is.
 */
export async function startNext({
  start,
  isAfterDeath,
  limit,
  away = DEFAULT_AWAY,
  signal,
  log,
  ...given
}: NextSession): Promise<void> {
  let { cause } = given;
  let awayUntil: number | undefined;
  let isAway = false;
  for (;;) {
    if (isAway) await delay(away.pauseMs, signal);
    else if (isAfterDeath()) await delay(limit.take(cause), signal);
    try {
      return await start();
    } catch (thrown) {
      if (!isAfterDeath() || !(thrown instanceof SessionStartError)) throw thrown;
      awayUntil ??= performance.now() + away.limitMs;
      isAway = thrown.isEndpointAway && performance.now() < awayUntil;
      if (isAway) {
        log.info('The endpoint is away; the start is repeated until it is back', { reason: thrown.message });
        continue;
      }
      log.warn('The next session could not be started; the start is repeated', { reason: thrown.message });
      cause = thrown;
    }
  }
}
