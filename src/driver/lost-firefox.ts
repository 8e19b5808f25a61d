/**
 * Explains the end of a Firefox of this program's own geckodriver. geckodriver ends the browser when a client quits the session, and tells
 * Firefox to end itself when one of its content processes crashes (`MOZ_CRASHREPORTER_SHUTDOWN`). Both close the BiDi socket in an orderly
 * way, while the socket of a browser that was killed breaks off (measured on 153 with geckodriver 0.37).
 */
import type { DeathReport } from '../model/death.ts';
import type { TabCrash } from './diagnosis/facts.ts';
import type { HttpClient } from './http-client.ts';
import type { Explanation } from './lost-browser.ts';

/** geckodriver answers after it has ended the browser, which takes 1 s (measured). */
const ASK_LIMIT_MS = 5_000;
/** The WebSocket code of an orderly end (RFC 6455, section 7.4.1). */
const ORDERLY = 1_000;
const CRASH_WORDS = /^A content process crashed and MOZ_CRASHREPORTER_SHUTDOWN is set/m;
const CRASH_SIGNAL = /IPC I\/O Parent\] WARNING: process \d+ exited on signal (\d+)/;
/** The answer to the first command after the browser's end. geckodriver then has no session any more, for whatever reason it ended. */
const FIRST_ANSWER = /Failed to decode response from marionette/;

export interface LostFirefox {
  readonly http: HttpClient;
  /** The last output of geckodriver and Firefox. */
  readonly output: string;
  /** The code with which the BiDi socket was closed; undefined if it is still open. */
  readonly closeCode: number | undefined;
  /** The report that a command's answer or a probe has led to. */
  readonly report?: DeathReport;
}

/** Returns what happened to Firefox; undefined if only its end is known. */
export async function explainLostFirefox(lost: LostFirefox): Promise<Explanation | undefined> {
  const { http, output, closeCode, report } = lost;
  if (CRASH_WORDS.test(output))
    return { cause: 'tab-crashed', message: 'a content process crashed, and Firefox ended itself for that reason' };
  if (closeCode !== ORDERLY || FIRST_ANSWER.test(report?.message ?? '')) return undefined;
  if (!(await isWithoutSession(http))) return undefined;
  return { cause: 'session-removed', message: 'the session was quit by another client of the driver' };
}

/** Returns how the content process of the page ended; undefined if Firefox has not written it. */
export function findContentCrash(output: string): TabCrash | undefined {
  const signal = CRASH_SIGNAL.exec(output)?.[1];
  return signal === undefined
    ? undefined
    : { status: signal === '9' ? 'killed' : 'crashed', errorCode: Number(signal) };
}

/** Returns whether geckodriver is ready for a new session. It is not while it has one, even if the browser of that one is gone. */
async function isWithoutSession(http: HttpClient): Promise<boolean> {
  try {
    const { body } = await http.send({ method: 'GET', path: '/status', signal: AbortSignal.timeout(ASK_LIMIT_MS) });
    const { value } = JSON.parse(body) as { value?: { ready?: unknown } };
    return value?.ready === true;
  } catch {
    return false;
  }
}
