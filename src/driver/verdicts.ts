/**
 * The one table of what a failure means for its session. Each row names its source. An unknown failure is `suspicious`, and the caller
 * probes once before it decides.
 */
import type { DeathCause } from '../model/death.ts';
import { redactText } from '../core/redact.ts';

/**
 * `dead`: the session is gone, regardless of a probe. `suspicious`: the session may be gone; probe it. `harmless`: an answer about the page
 * or about the command.
 */
export type Verdict =
  | { readonly kind: 'dead'; readonly cause: DeathCause }
  /** With a cause: the session is dead by it if the session itself is asked and answers in the same way. */
  | { readonly kind: 'suspicious'; readonly cause?: DeathCause }
  | { readonly kind: 'harmless' };

interface Row {
  /** The W3C `error` string, if the row depends on it. */
  readonly error?: string;
  readonly message?: RegExp;
  readonly verdict: Verdict;
}

const HARMLESS: Verdict = { kind: 'harmless' };
const SUSPICIOUS: Verdict = { kind: 'suspicious' };
/** The driver of a session, or the node with the driver and the browser, can't be reached. */
const LOST_NODE: Verdict = { kind: 'suspicious', cause: 'driver-gone' };
const dead = (cause: DeathCause): Verdict => ({ kind: 'dead', cause });

/** The first match wins, so precise rows precede general ones. */
const VERDICT_TABLE: readonly Row[] = [
  // Grid could not reach its node (issues). The node may be reachable again in a moment.
  { error: 'timeout', message: /java\.(net|util\.concurrent)\.|HttpTimeoutException/, verdict: LOST_NODE },
  // Answers about pages, elements, scripts, alerts and closed windows are not deaths (W3C WebDriver, section 6.6; measured). They precede
  // all rows that match the message, because these messages quote the page: an alert may contain "Session timed out or not found".
  ...[
    'no such window',
    'no such frame',
    'no such element',
    'no such shadow root',
    'no such cookie',
    'no such alert',
    'detached shadow root',
    'stale element reference',
    'element not interactable',
    'element click intercepted',
    'invalid element state',
    'invalid argument',
    'invalid cookie domain',
    'invalid selector',
    'insecure certificate',
    'javascript error',
    'move target out of bounds',
    'script timeout',
    'timeout',
    'unable to capture screen',
    'unable to set cookie',
    'unexpected alert open',
    'unknown command',
    'unknown method',
    'unsupported operation',
    'session not created',
  ].map((error) => ({ error, verdict: HARMLESS })),
  // chromedriver 156 after the browser was killed: the first command afterwards, or the one in flight (measured).
  {
    message: /browser has closed the connection|disconnected: (not connected to DevTools|Unable to receive message)/,
    verdict: dead('browser-gone'),
  },
  // Older chromedriver (its sources, issue threads).
  { message: /chrome not reachable|failed to check if window was closed/, verdict: dead('browser-gone') },
  // Renderer crash: every later command fails, and a reload does not help (measured). The older texts are from chromedriver's sources.
  { message: /^tab crashed|session deleted because of page crash|from tab crashed/, verdict: dead('tab-crashed') },
  { error: 'tab crashed', verdict: dead('tab-crashed') },
  // Selenium Grid 4 (router and node, with the reason since 4.39), Selenium 3 hub, Appium (their sources and issues).
  {
    message: /session timed out or not found|was terminated due to|not available and is not among the last/i,
    verdict: dead('session-removed'),
  },
  {
    message: /(Unable to find session with ID|Cannot find session|Session ID: \S+ was closed)/i,
    verdict: dead('session-removed'),
  },
  { message: /session is either terminated or not started/i, verdict: dead('session-removed') },
  // geckodriver with a dead Firefox (issues).
  {
    message: /Failed to decode response from marionette|Tried to run command without establishing a connection/,
    verdict: dead('browser-gone'),
  },
  // The answer has no message if another client deleted the session, or if an earlier command already revealed the death (measured).
  { error: 'invalid session id', verdict: dead('session-removed') },
  // Grid 4.47 (recorded) and 4.35 after the driver or its node was killed. The Grid still lists the session.
  {
    error: 'unknown error',
    message: /(Connection error|Failed to execute request) \((GET|POST|DELETE) http|java\.(net|util\.concurrent)\./,
    verdict: LOST_NODE,
  },
  // Navigation failures are `unknown error` with Chromium's own code in the text (measured).
  { message: /net::ERR_/, verdict: HARMLESS },
];

/** Returns the verdict on an answer with a status other than 200. `body` is the text as received. */
export function verdictOfAnswer(body: string): { verdict: Verdict; message: string } {
  const { error, message } = parseFailure(body);
  const row = VERDICT_TABLE.find(
    (candidate) =>
      (candidate.error === undefined || candidate.error === error) &&
      (candidate.message === undefined || candidate.message.test(message)),
  );
  return { verdict: row?.verdict ?? SUSPICIOUS, message: redactText(firstLine(message)) || error || 'an empty answer' };
}

/**
 * Returns the remote end's own text in a failed answer. If the body is no W3C error (a proxy's HTML page, an empty body), `error` is empty
 * and `message` is the body.
 */
export function parseFailure(body: string): { error: string; message: string } {
  try {
    const { value } = JSON.parse(body) as { value?: { error?: string; message?: string } | null };
    return { error: value?.error ?? '', message: value?.message ?? '' };
  } catch {
    return { error: '', message: body.slice(0, 500) };
  }
}

/** Returns the body of a failed answer with `text` at the end of the first line of its message. */
export function appendToMessage(body: string, text: string): string {
  const answer = JSON.parse(body) as { value: { message?: string } };
  const [first = '', ...rest] = (answer.value.message ?? '').split('\n');
  return JSON.stringify({ ...answer, value: { ...answer.value, message: [first + text, ...rest].join('\n') } });
}

/** Returns the first line, which is the message of chromedriver and Grid. Stack traces follow it. */
export function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.trim() ?? '';
}
