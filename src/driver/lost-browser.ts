/**
 * A DevTools socket that closed: the browser may have been killed, quit by another client through the driver, or only the socket
 * broke. Told apart from outside, because with the session's own commands it could be known only later, or never.
 */
import { readFile } from 'node:fs/promises';

import { delay } from '../core/abort.ts';
import type { DeathCause } from './death.ts';
import { isDevToolsReachable } from './devtools.ts';
import type { HttpClient } from './http-client.ts';

/** A killed process is a zombie of chromedriver's within a few milliseconds of its sockets' closing (measured: 1 to 15). */
const ZOMBIE_LIMIT_MS = 40;
const ZOMBIE_POLL_MS = 3;
const ASK_LIMIT_MS = 1_000;

export interface LostBrowser {
  readonly http: HttpClient;
  readonly sessionId: string;
  readonly browserPid: number | undefined;
  readonly devtoolsUrl: string;
}

/** What became of the browser of our own driver; undefined where it lives and only the socket broke. */
export async function explainLostBrowser(lost: LostBrowser): Promise<{ cause: DeathCause; message: string } | undefined> {
  const signal = await endingSignal(lost.browserPid);
  if (signal !== undefined) return { cause: 'browser-gone', message: `the browser process was ended by signal ${signal}` };
  if ((await isSessionListed(lost)) === false) {
    return { cause: 'session-removed', message: 'the session was quit by another client of the driver' };
  }
  if (await isDevToolsReachable(lost.devtoolsUrl, ASK_LIMIT_MS)) return undefined;
  return { cause: 'browser-gone', message: 'the browser closed its DevTools socket and takes no connections' };
}

/**
 * The signal that ended this process, if one did. Until chromedriver next looks, a dead browser stays its zombie, whose exit status
 * the kernel shows (Linux: proc(5), field 52 of stat; low 7 bits are the signal).
 */
async function endingSignal(pid: number | undefined): Promise<number | undefined> {
  if (pid === undefined || process.platform !== 'linux') return undefined;
  for (const startedAt = performance.now(); performance.now() - startedAt < ZOMBIE_LIMIT_MS; await delay(ZOMBIE_POLL_MS)) {
    let stat: string;
    try {
      stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    } catch {
      // Reaped already: chromedriver ended it, or noticed.
      return undefined;
    }
    // The command's name, in parentheses, may hold anything; what follows it is plain.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return (Number(fields.at(-1)) & 0x7f) || undefined;
  }
  return undefined;
}

/** chromedriver lists its sessions; one whose browser was killed stays listed until a command meets it. Undefined: no answer. */
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
