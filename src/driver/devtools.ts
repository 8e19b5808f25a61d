/**
 * The library's own DevTools connection to a Chromium browser. It detects the end of the browser while no command is in flight, answers
 * while one is, reads cookies without queueing behind commands, and stops a page that loops. It does not change what a page does.
 */
import type { Agent } from 'node:http';

import { WebSocket } from 'ws';

import { raceSignal, settlesWithin, withDeadline } from '../core/abort.ts';
import type { Disposer } from '../core/events.ts';
import { tryConnection, type BrowserSocket, type ConnectionAnswer } from './browser-socket.ts';
import { DevToolsClosedError } from './devtools-errors.ts';
import type { TabCrash } from './diagnosis/diagnosis.ts';
import { HttpClient } from './http-client.ts';

const CONNECT_LIMIT_MS = 10_000;
const CALL_LIMIT_MS = 10_000;
/** A page that does not answer a question within this time is busy. */
const BUSY_AFTER_MS = 1_000;
/** The time limit for the answer of a page after it was freed. */
const FREED_LIMIT_MS = 2_000;

export interface DevToolsOptions {
  /** The socket's address: `ws://…/devtools/browser/…` or a Grid's `se:cdp`. */
  readonly url: string;
  readonly agent?: Agent | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** The time limit for the browser to accept the connection. Default 10 s; on an idle machine it takes 20 ms. */
  readonly connectLimitMs?: number | undefined;
  readonly signal: AbortSignal;
  /** Called when the socket closes and this side did not close it. */
  readonly onClosed: (description: string) => void;
  /** Called when a page's renderer is gone. `handle` is its window handle (in Chromium, the target's id: measured). */
  readonly onTabCrashed: (handle: string, crash: TabCrash) => void;
  /** Called when DevTools has attached to a page, before its events. */
  readonly onPageAttached?: (handle: string, devtools: DevTools) => void;
  /** Called when a page was closed. */
  readonly onPageClosed?: (handle: string) => void;
  /** Called with each event of a page's domains, such as `Page.frameNavigated`. */
  readonly onPageEvent?: (handle: string, event: DevToolsEvent) => void;
}

/** An event of Chromium's DevTools protocol. */
export interface DevToolsEvent {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

interface PendingCall {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
  readonly params?: Readonly<Record<string, unknown>> & {
    readonly targetId?: string;
    readonly status?: string;
    readonly errorCode?: number;
    readonly targetInfo?: { readonly targetId: string; readonly type: string };
  };
}

/** A page of the browser. Its DevTools session is undefined until DevTools has attached to it. */
interface Page {
  sessionId: string | undefined;
  attached: Promise<void>;
  /** True if an alert or another dialog of the page's scripts is open. */
  isDialogOpen: boolean;
}

/** A DevTools connection. The shapes of its calls are Chromium's protocol, domains Browser, Storage, Target, Page and Runtime. */
export class DevTools implements BrowserSocket {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, PendingCall>();
  readonly #options: DevToolsOptions;
  /** The pages by window handle. */
  readonly #pages = new Map<string, Page>();
  readonly #listeners = new Set<{ readonly handle: string; readonly listener: (event: DevToolsEvent) => void }>();
  #lastId = 0;
  /** True after `connect` resolves. Before that, the promise reports a failure, and a close is not reported. */
  #isWatched = false;

  static async connect(options: DevToolsOptions): Promise<DevTools> {
    const { url, agent, headers = {}, connectLimitMs = CONNECT_LIMIT_MS } = options;
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 1 << 30, agent, headers });
    const devtools = new DevTools(socket, options);
    try {
      await withDeadline(opened(socket, options.signal), connectLimitMs, 'Connecting to the DevTools socket');
      // Target.setAutoAttach would stop every window that has an opener until it is released (measured).
      const discovered = devtools.call('Target.setDiscoverTargets', { discover: true, filter: [{ type: 'page' }] });
      await raceSignal(discovered, options.signal);
      const attached = [...devtools.#pages.values()].map((page) => page.attached);
      await raceSignal(Promise.all(attached), options.signal);
      devtools.#isWatched = true;
      return devtools;
    } catch (thrown) {
      devtools.close();
      throw thrown;
    }
  }

  private constructor(socket: WebSocket, options: DevToolsOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (data: Buffer) => this.#receive(JSON.parse(data.toString()) as Message));
    // An error is always followed by a close, which is reported.
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      const description = `the DevTools socket closed (code ${code})`;
      for (const call of this.#pending.values()) call.reject(new DevToolsClosedError(description));
      this.#pending.clear();
      if (this.#isWatched) options.onClosed(description);
    });
  }

  async prove(limitMs: number): Promise<void> {
    await this.call('Browser.getVersion', {}, { limitMs });
  }

  tryConnection(limitMs: number): Promise<ConnectionAnswer> {
    return tryConnection(this.#options, limitMs);
  }

  /** The window handle of the browser's only page; null if there are several pages or none. */
  get onlyPage(): string | null {
    const [handle, ...others] = this.#pages.keys();
    return others.length === 0 ? (handle ?? null) : null;
  }

  /** The window handles of the browser's pages. */
  get handles(): string[] {
    return [...this.#pages.keys()];
  }

  /** The number of the browser's pages. */
  get pageCount(): number {
    return this.#pages.size;
  }

  /** Returns the current URL of the page with this window handle. */
  async pageUrl(handle: string): Promise<string> {
    const { targetInfo } = (await this.call('Target.getTargetInfo', { targetId: handle })) as {
      targetInfo: { url: string };
    };
    return targetInfo.url;
  }

  /** Returns whether a dialog of the page's scripts is open. A dialog that opened before DevTools attached to the page is not known. */
  isDialogOpen(handle: string): boolean {
    return this.#pages.get(handle)?.isDialogOpen === true;
  }

  /** Resolves when DevTools has attached to the page with this window handle, or when the attempt has failed. */
  async attached(handle: string): Promise<void> {
    await this.#pages.get(handle)?.attached;
  }

  /**
   * Sends a call to a domain of the page with this window handle. Rejects as {@link call} does, and if DevTools is not attached to the
   * page.
   */
  callPage(
    handle: string,
    method: string,
    params: object = {},
    { limitMs = CALL_LIMIT_MS }: Pick<CallOptions, 'limitMs'> = {},
  ): Promise<unknown> {
    const sessionId = this.#pages.get(handle)?.sessionId;
    if (sessionId === undefined) return Promise.reject(new Error('DevTools is not attached to that window'));
    return this.call(method, params, { sessionId, limitMs });
  }

  /** Sends one protocol call. Rejects if the browser refuses it, if the socket closes, or after `limitMs` (default 10 s). */
  call(
    method: string,
    params: object = {},
    { sessionId, limitMs = CALL_LIMIT_MS }: CallOptions = {},
  ): Promise<unknown> {
    if (this.#socket.readyState !== WebSocket.OPEN)
      return Promise.reject(new DevToolsClosedError('the DevTools socket is closed'));
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    return withDeadline(promise, limitMs, `The DevTools call ${method}`).finally(() => this.#pending.delete(id));
  }

  /**
   * Stops endless scripts and loads of the page with this window handle, or of all pages if the handle is unknown. A page that loops still
   * answers both calls; on an idle page they have no effect (measured).
   */
  freePage(handle: string | null): void {
    const handles = handle !== null && this.#pages.has(handle) ? [handle] : [...this.#pages.keys()];
    for (const page of handles) {
      // Best effort: the command that waits for the page shows whether the page is free again.
      for (const method of ['Runtime.terminateExecution', 'Page.stopLoading'])
        this.callPage(page, method).catch(() => undefined);
    }
  }

  /** Frees the page with this window handle if it does not answer. Resolves when it answers again, or after 3 s. Never rejects. */
  async freeBusyPage(handle: string | null): Promise<void> {
    const page = handle ?? this.onlyPage;
    if (page === null) return;
    // The answer waits for the page's own scripts; the expression changes nothing.
    const answer = this.callPage(page, 'Runtime.evaluate', { expression: '1' });
    if (await settlesWithin(answer, BUSY_AFTER_MS)) return;
    this.freePage(page);
    await settlesWithin(answer, FREED_LIMIT_MS);
  }

  /** Calls `listener` with each event of the page with this window handle, until the disposer is called. */
  listen(handle: string, listener: (event: DevToolsEvent) => void): Disposer {
    const entry = { handle, listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Ends the connection without calling `onClosed`. */
  close(): void {
    this.#isWatched = false;
    this.#socket.terminate();
  }

  #receive({ id, method, params = {}, sessionId, ...message }: Message): void {
    if (id !== undefined) {
      const call = this.#pending.get(id);
      if (message.error === undefined) call?.resolve(message.result);
      else call?.reject(new Error(message.error.message));
    } else if (sessionId === undefined) {
      this.#receiveTargetEvent(method, params);
    } else if (method !== undefined) {
      const handle = this.#handleOf(sessionId);
      if (handle === undefined) return;
      this.#noteDialog(handle, method);
      this.#options.onPageEvent?.(handle, { method, params });
      for (const entry of this.#listeners) if (entry.handle === handle) entry.listener({ method, params });
    }
  }

  #noteDialog(handle: string, method: string): void {
    const page = this.#pages.get(handle);
    if (page === undefined) return;
    if (method === 'Page.javascriptDialogOpening') page.isDialogOpen = true;
    if (method === 'Page.javascriptDialogClosed') page.isDialogOpen = false;
  }

  #receiveTargetEvent(method: string | undefined, params: NonNullable<Message['params']>): void {
    const { targetId = '', targetInfo, status = '', errorCode = 0 } = params;
    if (method === 'Target.targetCreated' && targetInfo?.type === 'page') {
      const page: Page = { sessionId: undefined, attached: Promise.resolve(), isDialogOpen: false };
      this.#pages.set(targetInfo.targetId, page);
      page.attached = this.#attach(targetInfo.targetId, page);
    } else if (method === 'Target.targetDestroyed') {
      if (this.#pages.delete(targetId)) this.#options.onPageClosed?.(targetId);
    } else if (method === 'Target.targetCrashed' && this.#pages.has(targetId))
      this.#options.onTabCrashed(targetId, { status, errorCode });
  }

  /** Attaches at once. A page that already loops accepts no new DevTools session, so it could not be freed. */
  async #attach(targetId: string, page: Page): Promise<void> {
    try {
      const { sessionId } = (await this.call('Target.attachToTarget', { targetId, flatten: true })) as {
        sessionId?: string;
      };
      page.sessionId = sessionId;
      if (sessionId !== undefined) this.#options.onPageAttached?.(targetId, this);
    } catch {
      // The page or the socket is gone. Both are reported elsewhere.
    }
  }

  #handleOf(sessionId: string): string | undefined {
    for (const [handle, page] of this.#pages) if (page.sessionId === sessionId) return handle;
    return undefined;
  }
}

interface CallOptions {
  /** The DevTools session of a page. Default: the browser itself. */
  readonly sessionId?: string;
  readonly limitMs?: number;
}

/** Returns the URL of the browser's DevTools socket. Asks the address in its capabilities (`goog:chromeOptions.debuggerAddress`). */
export async function findDevToolsUrl(debuggerAddress: string, signal: AbortSignal): Promise<string> {
  // `localhost` may resolve to ::1 first, where Chromium does not listen.
  const address = debuggerAddress.replace(/^localhost:/, '127.0.0.1:');
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_LIMIT_MS)]);
  // The global fetch may use a proxy, where the same address means another machine.
  const client = new HttpClient(`http://${address}`);
  const answer = await client
    .send({ method: 'GET', path: '/json/version', signal: limit })
    .finally(() => client.close());
  const { webSocketDebuggerUrl } = JSON.parse(answer.body) as { webSocketDebuggerUrl?: string };
  if (webSocketDebuggerUrl === undefined) throw new Error(`no DevTools socket is offered at ${address}`);
  return webSocketDebuggerUrl;
}

/** Returns whether DevTools at `url` accepts a connection now. Distinguishes a broken socket from a browser that is gone. */
export async function isDevToolsReachable(url: string, limitMs: number): Promise<boolean> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  // An error is always followed by a close.
  socket.on('error', () => undefined);
  try {
    const { promise: isOpen, resolve } = Promise.withResolvers<boolean>();
    socket.once('open', () => resolve(true));
    socket.once('close', () => resolve(false));
    return (await settlesWithin(isOpen, limitMs)) && (await isOpen);
  } finally {
    socket.terminate();
  }
}

async function opened(socket: WebSocket, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('open', resolve);
  socket.once('error', reject);
  await raceSignal(promise, signal);
}
