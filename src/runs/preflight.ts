/** What can be known to fail is told before a browser starts. */
import { ConfigError, toError } from '../core/errors.ts';
import { redactUrl } from '../core/redact.ts';

/** By error code, or by fetch's words where there is no code. */
const WHY: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'its name could not be looked up',
  ECONNREFUSED: 'the connection is refused',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its network',
  // Fetch standard, "port blocking": browsers refuse some ports, 1 and 9 among them.
  'bad port': 'browsers refuse its port',
};
const ANSWER_LIMIT_MS = 10_000;

/**
 * Whether anything answers at `url`; any HTTP status is an answer. Throws `ConfigError` on an unknown host, a refused connection and
 * the like. Where a proxy is configured, only the browser can tell, so nothing is asked.
 */
export async function assertReachable(
  url: string,
  { hasProxy, signal }: { hasProxy: boolean; signal: AbortSignal },
): Promise<void> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new ConfigError(
      `${redactUrl(url)} is no http or https URL. Give the whole address, such as https://example.com/.`,
    );
  }
  if (hasProxy) return;
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
    const response = await fetch(withoutCredentials(url), { method: 'HEAD', redirect: 'manual', signal: limit });
    await response.body?.cancel();
  } catch (thrown) {
    // Whoever ended it gets the outcome of a run that was cancelled.
    if (signal.aborted) return;
    const { cause = thrown } = toError(thrown);
    // Only what no browser could do better: certificates and odd answers are left to it.
    const { code = '', message } = toError(cause) as NodeJS.ErrnoException;
    const why = WHY[code] ?? WHY[message];
    if (why === undefined) return;
    throw new ConfigError(
      `${redactUrl(url)} can't be reached: ${why}. Check the address, or start the site, then run again.`,
      { cause: thrown },
    );
  }
}

/** `fetch` takes none in a URL; whether the host answers doesn't depend on them. */
function withoutCredentials(url: string): URL {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return bare;
}
