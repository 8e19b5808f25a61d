/**
 * A DevTools socket that closed: the browser may have been killed, quit by another client through the driver, or only the socket
 * broke. Its process tells nothing (chromedriver itself ends a browser that it quits by SIGKILL: measured), so the driver is asked.
 */
import type { DeathCause } from '../model/death.ts';
import { settlesWithin } from '../core/abort.ts';
import { isDevToolsReachable } from './devtools.ts';
import type { HttpClient } from './http-client.ts';

const ASK_LIMIT_MS = 1_000;
/** From another client's DELETE to the socket's closing take 20 to 60 ms (measured); a command this old was there before it. */
const LONGEST_QUIT_MS = 150;
/** A command learns of the browser's end some 50 ms after the socket (measured). */
const COMMAND_KNOWS_MS = 250;
/** The driver answers the closing of the last window when the browser has ended, which takes it longer on a busy machine. */
export const CLOSING_LIMIT_MS = 2_000;

export interface LostBrowser {
  readonly http: HttpClient;
  readonly sessionId: string;
  readonly devtoolsUrl: string;
  /** Whether the session has a BiDi socket. chromedriver then drops a session whose browser is gone by itself, and its list proves nothing. */
  readonly hasBidi: boolean;
  /** How long the oldest command in flight has been so; null where none is. */
  readonly oldestCommandMs: number | null;
  /** True if a command in flight closes a window. A browser that ends with its last window was not killed. */
  readonly isWindowClosing: boolean;
  /** Settles when no command is in flight. */
  readonly commandsSettled: Promise<unknown>;
}

export type Explanation = { readonly cause: DeathCause; readonly message: string };

/**
 * What became of the browser of our own driver; undefined where it lives and only the socket broke. A command in flight may tell it
 * first, with a better reason; then this one comes too late, which does no harm.
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
    // The driver does one thing at a time: it can't have quit the browser while it worked on a command.
    if (oldestCommandMs > LONGEST_QUIT_MS && !(await isDevToolsReachable(devtoolsUrl, ASK_LIMIT_MS))) return gone;
    await settlesWithin(commandsSettled, COMMAND_KNOWS_MS);
  }
  if (!hasBidi && (await isSessionListed(lost)) === false) {
    return { cause: 'session-removed', message: 'the session was quit by another client of the driver' };
  }
  return (await isDevToolsReachable(devtoolsUrl, ASK_LIMIT_MS)) ? undefined : gone;
}

/**
 * chromedriver lists its sessions, after what it is just doing with them. One whose browser was killed stays listed until a command
 * meets it; one that was quit is gone. Undefined: no answer.
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
