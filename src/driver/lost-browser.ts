/**
 * Explains a closed DevTools socket. The browser may have been killed, another client may have quit it through the driver, or only the
 * socket broke. The browser's process does not show the reason (chromedriver itself ends a browser with SIGKILL when it quits it:
 * measured), so the driver is asked.
 */
import type { DeathCause } from '../model/death.ts';
import { settlesWithin } from '../core/abort.ts';
import { isDevToolsReachable } from './devtools.ts';
import type { HttpClient } from './http-client.ts';

const ASK_LIMIT_MS = 1_000;
/** The socket closes 20 to 60 ms after another client's DELETE (measured). A command older than this limit began before such a DELETE. */
const MAX_QUIT_MS = 150;
/** A command in flight fails some 50 ms after the socket closed (measured). */
const COMMAND_FAILURE_LIMIT_MS = 250;
/** The driver answers the closing of the last window after the browser has ended, which takes longer on a busy machine. */
export const CLOSING_LIMIT_MS = 2_000;

export interface LostBrowser {
  readonly http: HttpClient;
  readonly sessionId: string;
  readonly devtoolsUrl: string;
  /**
   * True if the session has a BiDi socket. With BiDi, chromedriver removes a session by itself if its browser is gone, so its list of
   * sessions proves nothing.
   */
  readonly hasBidi: boolean;
  /** The age of the oldest command in flight; null if there is none. */
  readonly oldestCommandMs: number | null;
  /** True if a command in flight closes a window. A browser that ends with its last window was not killed. */
  readonly isWindowClosing: boolean;
  /** Settles when no command is in flight. */
  readonly commandsSettled: Promise<unknown>;
}

export type Explanation = { readonly cause: DeathCause; readonly message: string };

/**
 * Returns what happened to the browser of this program's own driver; undefined if it lives and only the socket broke. A command in flight
 * may report the death first, with a better reason. The later report has no effect then.
 */
export async function explainLostBrowser(lost: LostBrowser): Promise<Explanation | undefined> {
  const { oldestCommandMs, commandsSettled, devtoolsUrl, hasBidi, isWindowClosing } = lost;
  const gone: Explanation = {
    cause: 'browser-gone',
    message: 'the browser accepts no more connections',
  };
  if (isWindowClosing) {
    await settlesWithin(commandsSettled, CLOSING_LIMIT_MS);
  } else if (oldestCommandMs !== null) {
    // The driver executes one command at a time, so it can't have quit the browser while it executed another command.
    if (oldestCommandMs > MAX_QUIT_MS && !(await isDevToolsReachable(devtoolsUrl, ASK_LIMIT_MS))) return gone;
    await settlesWithin(commandsSettled, COMMAND_FAILURE_LIMIT_MS);
  }
  if (!hasBidi && (await isSessionListed(lost)) === false) {
    return { cause: 'session-removed', message: 'the session was quit by another client of the driver' };
  }
  return (await isDevToolsReachable(devtoolsUrl, ASK_LIMIT_MS)) ? undefined : gone;
}

/**
 * Returns whether chromedriver still lists the session; undefined if it does not answer. It answers after its current work on its sessions.
 * A session whose browser was killed stays listed until a command fails on it; a session that was quit is not listed.
 */
async function isSessionListed({ http, sessionId }: LostBrowser): Promise<boolean | undefined> {
  try {
    const { body } = await http.send({ method: 'GET', path: '/sessions', signal: AbortSignal.timeout(ASK_LIMIT_MS) });
    const { value } = JSON.parse(body) as { value?: unknown };
    if (!Array.isArray(value)) return undefined;
    return value.some((session: { id?: unknown }) => session.id === sessionId);
  } catch {
    return undefined;
  }
}
