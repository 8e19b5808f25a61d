/**
 * The one table that says what a failure means for its session. Each row has its origin; an unknown failure is never guessed: it is
 * `suspicious`, and the caller probes once before deciding.
 */
import type { DeathCause } from '../model/death.ts';
import { redactText } from '../core/redact.ts';

/**
 * `dead`: the session is gone, whatever a probe says. `suspicious`: maybe; probe. `harmless`: an answer about the page, or about the
 * command.
 */
export type Verdict =
  | { readonly kind: 'dead'; readonly cause: DeathCause }
  | { readonly kind: 'suspicious' }
  | { readonly kind: 'harmless' };

interface Row {
  /** The W3C `error` string, where the row depends on it. */
  readonly error?: string;
  readonly message?: RegExp;
  readonly verdict: Verdict;
}

const HARMLESS: Verdict = { kind: 'harmless' };
const SUSPICIOUS: Verdict = { kind: 'suspicious' };
const dead = (cause: DeathCause): Verdict => ({ kind: 'dead', cause });

/** First match wins, so the precise rows stand before the general ones. */
const ROWS: readonly Row[] = [
  // Grid could not reach its node (issues): the node may be back in a moment.
  { error: 'timeout', message: /java\.net\.|HttpTimeoutException/, verdict: SUSPICIOUS },
  // Pages, elements, scripts, alerts, closed windows: answers, not deaths (W3C WebDriver, section 6.6; measured). They stand before all
  // rows that look at words, for these messages quote the page, whose alert may well say "Session timed out or not found".
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
  // chromedriver 156, browser killed: first command after it, or the one in flight (measured).
  {
    message: /browser has closed the connection|disconnected: (not connected to DevTools|Unable to receive message)/,
    verdict: dead('browser-gone'),
  },
  // Older chromedriver (its sources, issue threads).
  { message: /chrome not reachable|failed to check if window was closed/, verdict: dead('browser-gone') },
  // Renderer crash: every later command fails and no reload heals it (measured); older wording from chromedriver's sources.
  { message: /^tab crashed|session deleted because of page crash|from tab crashed/, verdict: dead('tab-crashed') },
  { error: 'tab crashed', verdict: dead('tab-crashed') },
  // Selenium Grid 4: router and node, with the reason since 4.39; Selenium 3 hub; Appium (their sources and issues).
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
  // Bare: deleted by another client, or an earlier command learned of the death already (measured).
  { error: 'invalid session id', verdict: dead('session-removed') },
  // Navigation failures are `unknown error` with Chromium's own code in the text (measured).
  { message: /net::ERR_/, verdict: HARMLESS },
];

/** An answer of the remote end with a status other than 200. `body` is the text as received. */
export function verdictOfAnswer(body: string): { verdict: Verdict; message: string } {
  const { error, message } = parseFailure(body);
  const row = ROWS.find(
    (candidate) =>
      (candidate.error === undefined || candidate.error === error) &&
      (candidate.message === undefined || candidate.message.test(message)),
  );
  return { verdict: row?.verdict ?? SUSPICIOUS, message: redactText(firstLine(message)) || error || 'an empty answer' };
}

/**
 * The remote end's own words in a failed answer. Whatever is no W3C error (a proxy's HTML page, an empty body) has no `error`, and
 * its text as `message`.
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

/** The first line, which is what chromedriver and Grid mean for people; stack traces follow it. */
export function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.trim() ?? '';
}
