/** Checks that the site is reachable before a browser starts. */
import { ConfigError, toError } from '../core/errors.ts';
import { redactUrl } from '../core/redact.ts';

/** The reasons by error code; by the message of `fetch` for errors without a code. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name of the host could not be looked up',
  ECONNREFUSED: 'the connection is refused',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to the network',
  // Fetch standard, "port blocking": browsers refuse some ports, 1 and 9 among them.
  'bad port': 'browsers refuse the port',
};
const ANSWER_LIMIT_MS = 10_000;

/**
 * Checks that a server answers at `url`, with any HTTP status. Throws `ConfigError` for an unknown host, a refused connection and the
 * like. Sends nothing if a proxy is configured, because only the browser can then reach the site.
 */
export async function assertReachable(
  url: string,
  { hasProxy, signal }: { hasProxy: boolean; signal: AbortSignal },
): Promise<void> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new ConfigError(
      `${redactUrl(url)} is not an http or https URL. Give the whole address, such as https://example.com/.`,
    );
  }
  if (hasProxy) return;
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
    const response = await fetch(withoutCredentials(url), { method: 'HEAD', redirect: 'manual', signal: limit });
    await response.body?.cancel();
  } catch (thrown) {
    // The caller gets the outcome of a cancelled run.
    if (signal.aborted) return;
    const { cause = thrown } = toError(thrown);
    // Reports only failures that every browser would have. The browser decides about certificates and invalid answers.
    const { code = '', message } = toError(cause) as NodeJS.ErrnoException;
    const why = REASONS[code] ?? REASONS[message];
    if (why === undefined) return;
    throw new ConfigError(
      `${redactUrl(url)} can't be reached: ${why}. Check the address, or start the site, then run again.`,
      { cause: thrown },
    );
  }
}

/** Removes the credentials, because `fetch` refuses a URL with credentials. A server also answers without them. */
function withoutCredentials(url: string): URL {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return bare;
}
