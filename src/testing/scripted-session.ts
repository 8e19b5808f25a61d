import type { ScriptedAnswer } from './scripted-answer.ts';

/** A 1×1 transparent PNG, for screenshots. */
const SCREENSHOT_BASE64 =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

/** The capabilities of a scripted session unless the script changes them. */
const DEFAULT_CAPABILITIES: Readonly<Record<string, unknown>> = {
  acceptInsecureCerts: false,
  browserName: 'scripted',
  browserVersion: '1.0',
  pageLoadStrategy: 'normal',
  platformName: 'any',
  proxy: {},
  setWindowRect: true,
  strictFileInteractability: false,
  unhandledPromptBehavior: 'dismiss and notify',
};

interface Cookie {
  readonly name: string;
  readonly [field: string]: unknown;
}

/**
 * The state of one scripted session: windows, URL, title, cookies and timeouts. It loads no page and runs no script. Unlike chromedriver it
 * answers commands concurrently, so a held command does not delay the others.
 */
export class ScriptedSession {
  readonly id: string;
  #handles = ['window-1'];
  #current = 'window-1';
  #opened = 1;
  #url = 'about:blank';
  readonly #cookies = new Map<string, Cookie>();
  #timeouts: Record<string, unknown> = { implicit: 0, pageLoad: 300_000, script: 30_000 };

  constructor(id: string) {
    this.id = id;
  }

  /** Returns the capabilities in the answer to `POST /session`: the defaults, overridden by the script. */
  describe(scripted: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const capabilities: Record<string, unknown> = { ...DEFAULT_CAPABILITIES, timeouts: this.#timeouts, ...scripted };
    this.#timeouts = { ...(capabilities['timeouts'] as Record<string, unknown>) };
    return capabilities;
  }

  /** True if the last window was closed, which ends the session. */
  get isOver(): boolean {
    return this.#handles.length === 0;
  }

  /** Returns the default answer to a command such as `GET /title`, with its path relative to the session. */
  answer(command: string, body: Readonly<Record<string, unknown>>): ScriptedAnswer {
    const isWindowless = /^(GET \/window\/handles|POST \/window(\/new)?|(GET|POST) \/timeouts|DELETE \/)$/.test(
      command,
    );
    if (!isWindowless && !this.#handles.includes(this.#current)) {
      return { error: 'no such window', message: 'no such window: target window already closed' };
    }
    switch (command) {
      case 'POST /url':
        this.#url = String(body['url']);
        return { value: null };
      case 'GET /url':
        return { value: this.#url };
      case 'GET /title':
        return { value: `Title of ${this.#url}` };
      case 'GET /source':
        return { value: '<html><head></head><body></body></html>' };
      case 'GET /screenshot':
        return { value: SCREENSHOT_BASE64 };
      case 'GET /timeouts':
        return { value: this.#timeouts };
      case 'POST /timeouts':
        Object.assign(this.#timeouts, body);
        return { value: null };
      case 'POST /element':
        return { error: 'no such element', message: 'no such element: a scripted page has no elements' };
      case 'POST /elements':
        return { value: [] };
      case 'GET /window/rect':
      case 'POST /window/rect':
        return { value: { x: 0, y: 0, width: 800, height: 600 } };
      case 'POST /execute/sync':
      case 'POST /execute/async':
      case 'POST /back':
      case 'POST /forward':
      case 'POST /refresh':
      case 'POST /actions':
      case 'DELETE /actions':
      case 'POST /frame':
      case 'POST /frame/parent':
      case 'DELETE /':
        return { value: null };
      default:
        return this.#answerWindow(command, body) ?? this.#answerCookie(command, body) ?? unknownCommand(command);
    }
  }

  #answerWindow(command: string, body: Readonly<Record<string, unknown>>): ScriptedAnswer | undefined {
    switch (command) {
      case 'GET /window':
        return { value: this.#current };
      case 'GET /window/handles':
        return { value: this.#handles };
      case 'POST /window': {
        const handle = String(body['handle']);
        if (!this.#handles.includes(handle)) return { error: 'no such window' };
        this.#current = handle;
        return { value: null };
      }
      case 'POST /window/new': {
        const handle = `window-${++this.#opened}`;
        this.#handles.push(handle);
        return { value: { handle, type: body['type'] ?? 'tab' } };
      }
      case 'DELETE /window':
        this.#handles = this.#handles.filter((handle) => handle !== this.#current);
        return { value: this.#handles };
      default:
        return undefined;
    }
  }

  #answerCookie(command: string, body: Readonly<Record<string, unknown>>): ScriptedAnswer | undefined {
    const [, method, rawName] = /^(GET|POST|DELETE) \/cookie(?:\/(.+))?$/.exec(command) ?? [];
    if (method === undefined) return undefined;
    if (method === 'POST') {
      const cookie = body['cookie'] as Cookie | undefined;
      if (typeof cookie?.name !== 'string') return { error: 'invalid argument', message: 'missing cookie' };
      this.#cookies.set(cookie.name, { path: '/', httpOnly: false, secure: false, ...cookie });
      return { value: null };
    }
    const name = rawName === undefined ? undefined : decodeURIComponent(rawName);
    if (method === 'DELETE') {
      if (name === undefined) this.#cookies.clear();
      else this.#cookies.delete(name);
      return { value: null };
    }
    if (name === undefined) return { value: [...this.#cookies.values()] };
    const cookie = this.#cookies.get(name);
    return cookie ? { value: cookie } : { error: 'no such cookie' };
  }
}

function unknownCommand(command: string): ScriptedAnswer {
  return { error: 'unknown command', message: `unknown command: ${command}` };
}
