/** Checks the endpoint of a run's sessions before the run begins. */
import { anySignal, delay } from '../core/abort.ts';
import { describeSpan } from '../core/describe-time.ts';
import { ConfigError } from '../core/errors.ts';
import { redactUrl } from '../core/redact.ts';
import {
  browserNameOf,
  DOWNLOADS_CAPABILITY,
  openHttpClient,
  readEndpointStatus,
  SessionStartError,
  type BrowserOptions,
  type GridStatus,
  type Route,
} from '../driver/driver.ts';

const POLL_MS = 200;
const ANSWER_LIMIT_MS = 5_000;

export interface EndpointCheckOptions extends Route {
  /** The time to wait for an endpoint that is not ready. Default 0: the start of the first session waits for a short time itself. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Throws `ConfigError` if no session can ever start at `url`. With `waitMs`, waits until the endpoint is ready, and throws
 * `SessionStartError` if it is not ready in time. A Grid is ready when it has a node. Returns the state of a Grid that is ready.
 */
export async function assertEndpoint(
  url: string,
  { waitMs = 0, signal = new AbortController().signal, ...route }: EndpointCheckOptions,
): Promise<GridStatus | undefined> {
  const http = await openHttpClient(url, route);
  const endAt = performance.now() + waitMs;
  try {
    for (;;) {
      const limit = anySignal(signal, AbortSignal.timeout(ANSWER_LIMIT_MS));
      const status = await readEndpointStatus(http, limit).catch(() => undefined);
      // The caller gets the outcome of a cancelled run.
      if (signal.aborted) return undefined;
      if (status?.kind === 'ready') return status.grid;
      if (status?.kind === 'wrong') {
        if (status.isCertain) throw new ConfigError(status.problem);
        return undefined;
      }
      if (waitMs === 0) return undefined;
      if (performance.now() >= endAt) {
        const why = status?.why ?? `it has not answered within ${describeSpan(ANSWER_LIMIT_MS)}`;
        throw new SessionStartError(
          `${redactUrl(url)} was not ready within ${describeSpan(waitMs)}: ${why}. Start the Grid and a node, or wait longer with --wait.`,
        );
      }
      await delay(POLL_MS, signal).catch(() => undefined);
    }
  } finally {
    http.close();
  }
}

/**
 * Returns the options with which the sessions of a run can read their downloads. They are empty if a node of the Grid does not send
 * downloads: the Grid would start no session there.
 */
export function downloadsFrom(grid: GridStatus | undefined, browser: BrowserOptions): BrowserOptions {
  const browserName = browserNameOf(browser);
  const offers = (grid?.offers ?? []).filter((offer) => offer.browserName.toLowerCase() === browserName.toLowerCase());
  const isOffered = offers.length > 0 && offers.every(({ hasDownloads }) => hasDownloads);
  return isOffered ? { capabilities: { [DOWNLOADS_CAPABILITY]: true } } : {};
}
