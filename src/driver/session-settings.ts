/** The facts about a session that its commands reveal: its time limits, its current window, frame and page. */
import { redactUrl } from '../core/redact.ts';
import { joinOverrides, type BrowserOverride, type SessionTimeouts } from './state/browser-state.ts';

/** The margin of a command's deadline over the remote end's own limit for it. */
const MARGIN_MS = 10_000;
/** Navigations. The driver ends them by itself after the page load limit, so one that it does not end is stuck. */
const NAVIGATION_COMMANDS = /^POST \/(url|refresh|back|forward)$/;
const PAGE_LOADING_COMMANDS = /^POST \/(element\/\{id\}\/(click|value)|actions)$/;
const SCRIPT_COMMANDS = /^POST \/execute\//;
const RESIZE_COMMANDS = /^POST \/window\/(rect|maximize|minimize|fullscreen)$/;
/** The routes of Selenium's `sendDevToolsCommand` and similar calls, and of other libraries. */
export const SENDS_DEVTOOLS: readonly string[] = [
  'POST /goog/cdp/execute',
  'POST /ms/cdp/execute',
  'POST /chromium/send_command',
  'POST /chromium/send_command_and_get_result',
];
/** DevTools commands with an effect that lasts as long as the session. Sending them to the next session has the same effect. */
const OVERRIDES =
  /^(Emulation\.|Network\.(enable$|set|emulate)|Page\.(addScriptToEvaluateOnNewDocument|setBypassCSP)$|Browser\.(grantPermissions|setPermission)$)/;
/** The longest delay of a Node.js timer. A longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** The default limit of a session's start. A start may wait in the queue of a Grid, whose own limit is 300 s unless it is told otherwise. */
const START_LIMIT_MS = 290_000;
/** The limit of a start by this program's own driver. It takes 0.5 s, and 10 s on an extremely busy machine. */
export const OWN_START_LIMIT_MS = 45_000;
/**
 * The time for which an aborted start at another program's endpoint is awaited, to end the session that it may create. A browser starts in
 * 1 to 3 s.
 */
export const ABORTED_START_LIMIT_MS = 10_000;

export class SessionSettings {
  readonly #commandTimeoutMs: number;
  readonly #startLimitMs: number;
  // The defaults of W3C WebDriver, section 8.5.
  #timeouts: SessionTimeouts = { implicit: 0, pageLoad: 300_000, script: 30_000 };
  #windowHandle: string | null = null;
  #url: string | null = null;
  #frameDepth = 0;
  #isResized = false;
  #hasOwnTimeouts = false;
  #overrides: readonly BrowserOverride[] = [];

  constructor(commandTimeoutMs: number, startLimitMs = START_LIMIT_MS) {
    this.#commandTimeoutMs = commandTimeoutMs;
    this.#startLimitMs = startLimitMs;
  }

  /** The window that commands apply to, if it is known. */
  get windowHandle(): string | null {
    return this.#windowHandle;
  }

  set windowHandle(handle: string | null) {
    this.#windowHandle = handle;
  }

  /** True if the driver has switched to a frame within the page. */
  get isInFrame(): boolean {
    return this.#frameDepth > 0;
  }

  /** The session's timeouts if a command changed them, otherwise null. */
  get ownTimeouts(): SessionTimeouts | null {
    return this.#hasOwnTimeouts ? this.#timeouts : null;
  }

  /** The DevTools commands that affect every later page. */
  get overrides(): readonly BrowserOverride[] {
    return this.#overrides;
  }

  /** True if a command changed the size of a window. */
  get isResized(): boolean {
    return this.#isResized;
  }

  /** Records that the size of a window was changed out of band. */
  noteResized(): void {
    this.#isResized = true;
  }

  /** The last page that the session navigated to, redacted. */
  get url(): string | null {
    return this.#url;
  }

  /** Updates the facts after a command that succeeded. */
  learn(label: string, data: unknown, body: string): void {
    if (label === 'POST /session') this.#timeouts = { ...this.#timeouts, ...sessionTimeouts(body) };
    else if (label === 'POST /timeouts') {
      this.#timeouts = { ...this.#timeouts, ...(data as Partial<SessionTimeouts>) };
      this.#hasOwnTimeouts = true;
    } else if (label === 'POST /window') this.#switchTo(stringField(data, 'handle'));
    else if (label === 'POST /frame') this.#frameDepth = isTopFrame(data) ? 0 : this.#frameDepth + 1;
    else if (label === 'POST /frame/parent') this.#frameDepth = Math.max(0, this.#frameDepth - 1);
    else if (RESIZE_COMMANDS.test(label)) this.#isResized = true;
    else if (SENDS_DEVTOOLS.includes(label)) this.#learnOverride(data);
    else if (label === 'GET /window') this.#windowHandle = stringField(JSON.parse(body), 'value');
    else if (label === 'DELETE /window') this.#switchTo(null);
  }

  #learnOverride(data: unknown): void {
    const { cmd, params = {} } = data as Partial<BrowserOverride>;
    if (typeof cmd === 'string' && OVERRIDES.test(cmd))
      this.#overrides = joinOverrides(this.#overrides, [{ cmd, params }]);
  }

  /** Records the target of a navigation before it is sent, because that page may be the one that kills the browser. */
  learnNavigation(label: string, data: unknown): void {
    const url = label === 'POST /url' ? stringField(data, 'url') : null;
    if (url === null) return;
    this.#url = redactUrl(url);
    this.#frameDepth = 0;
  }

  #switchTo(handle: string | null): void {
    this.#windowHandle = handle;
    this.#frameDepth = 0;
  }

  /**
   * Returns the deadline of a command: the session's own limit for it plus a margin, and for all commands except navigations at least the
   * setting. A limit of null means no limit (W3C WebDriver, section 8.5).
   */
  deadlineFor(label: string): number {
    if (label === 'POST /session') return this.#startLimitMs;
    const { implicit, pageLoad, script } = this.#timeouts;
    if (implicit === 0 && label.startsWith('GET')) return this.#commandTimeoutMs;
    const navigates = NAVIGATION_COMMANDS.test(label);
    const own =
      navigates || PAGE_LOADING_COMMANDS.test(label) ? pageLoad : SCRIPT_COMMANDS.test(label) ? script : implicit;
    if (own === null) return MAX_TIMER_MS;
    if (own === 0) return this.#commandTimeoutMs;
    return Math.min(Math.max(navigates ? 0 : this.#commandTimeoutMs, own + MARGIN_MS), MAX_TIMER_MS);
  }
}

function sessionTimeouts(body: string): Partial<SessionTimeouts> {
  const { value } = JSON.parse(body) as { value?: { capabilities?: { timeouts?: Partial<SessionTimeouts> } } };
  return value?.capabilities?.timeouts ?? {};
}

function isTopFrame(data: unknown): boolean {
  return typeof data === 'object' && data !== null && Reflect.get(data, 'id') === null;
}

function stringField(data: unknown, name: string): string | null {
  const value: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, name) : undefined;
  return typeof value === 'string' ? value : null;
}
