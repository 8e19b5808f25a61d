/** Checks the endpoint of a run's sessions before the run begins. */
import { anySignal, delay } from '../core/abort.ts';
import { describeSpan } from '../core/describe-time.ts';
import { ConfigError } from '../core/errors.ts';
import { redactUrl } from '../core/redact.ts';
import { openHttpClient, readEndpointStatus, SessionStartError, type Route } from '../driver/driver.ts';

const POLL_MS = 200;
const ANSWER_LIMIT_MS = 5_000;

export interface EndpointCheckOptions extends Route {
  /** The time to wait for an endpoint that is not ready. Default 0: the start of the first session waits for a short time itself. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Throws `ConfigError` if no session can ever start at `url`. With `waitMs`, waits until the endpoint is ready, and throws
 * `SessionStartError` if it is not ready in time. A Grid is ready when it has a node.
 */
export async function assertEndpoint(
  url: string,
  { waitMs = 0, signal = new AbortController().signal, ...route }: EndpointCheckOptions,
): Promise<void> {
  const http = await openHttpClient(url, route);
  const endAt = performance.now() + waitMs;
  try {
    for (;;) {
      const limit = anySignal(signal, AbortSignal.timeout(ANSWER_LIMIT_MS));
      const status = await readEndpointStatus(http, limit).catch(() => undefined);
      // The caller gets the outcome of a cancelled run.
      if (signal.aborted || status?.kind === 'ready') return;
      if (status?.kind === 'wrong') {
        if (status.isCertain) throw new ConfigError(status.problem);
        return;
      }
      if (waitMs === 0) return;
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
