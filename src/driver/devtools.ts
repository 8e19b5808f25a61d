/**
 * Our own DevTools connection to a Chromium browser: it sees the browser go while nothing is asked of it, answers while a command is
 * in flight, reads cookies without queueing behind commands, and frees a page that loops. It never changes what a page does.
 */
import { WebSocket } from 'ws';

import { raceSignal, settlesWithin, withDeadline } from '../core/abort.ts';

/** How long the browser may take to accept the connection; on an idle machine it takes 20 ms. */
const CONNECT_LIMIT_MS = 10_000;
const CALL_LIMIT_MS = 10_000;

export interface DevToolsOptions {
  /** The socket's address: `ws://…/devtools/browser/…` or a Grid's `se:cdp`. */
  readonly url: string;
  readonly signal: AbortSignal;
  /** The socket closed and we did not close it. */
  readonly onClosed: (description: string) => void;
  /** A page's renderer is gone; `handle` is its window handle (in Chromium, the target's id: measured). */
  readonly onTabCrashed: (handle: string) => void;
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
  readonly params?: { readonly sessionId?: string; readonly targetInfo?: { readonly targetId: string } };
}

/** Calls that only this connection makes; the shapes are Chromium's protocol, domains Browser, Storage, Target, Page and Runtime. */
export class DevTools {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, PendingCall>();
  /** DevTools session id -> window handle. */
  readonly #pages = new Map<string, string>();
  #lastId = 0;
  /** Who connects is told of a failure by its promise; only later is a close worth telling. */
  #isWatched = false;

  static async connect(options: DevToolsOptions): Promise<DevTools> {
    const socket = new WebSocket(options.url, { perMessageDeflate: false, maxPayload: 1 << 30 });
    const devtools = new DevTools(socket, options);
    try {
      await withDeadline(opened(socket, options.signal), CONNECT_LIMIT_MS, 'Connecting to the DevTools socket');
      // Pages are attached from their start and flattened into this socket, so that each one's crash is told here.
      const attached = devtools.call('Target.setAutoAttach', {
        autoAttach: true,
        waitForDebuggerOnStart: false,
        flatten: true,
        filter: [{ type: 'page' }],
      });
      await raceSignal(attached, options.signal);
      devtools.#isWatched = true;
      return devtools;
    } catch (thrown) {
      devtools.close();
      throw thrown;
    }
  }

  private constructor(socket: WebSocket, { onClosed, onTabCrashed }: DevToolsOptions) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => this.#receive(JSON.parse(data.toString()) as Message, onTabCrashed));
    // An error is always followed by a close, which is where it is told.
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      const description = `the DevTools socket closed (code ${code})`;
      for (const call of this.#pending.values()) call.reject(new Error(description));
      this.#pending.clear();
      if (this.#isWatched) onClosed(description);
    });
  }

  /** The window handle of the browser's page, where there is exactly one. */
  get onlyPage(): string | null {
    const [handle, ...others] = this.#pages.values();
    return others.length === 0 ? (handle ?? null) : null;
  }

  /** Where the page with this window handle stands. */
  async pageUrl(handle: string): Promise<string> {
    const { targetInfo } = (await this.call('Target.getTargetInfo', { targetId: handle })) as {
      targetInfo: { url: string };
    };
    return targetInfo.url;
  }

  /** Sends one protocol call. Rejects when the browser refuses it, when the socket closes, or after `limitMs` (default 10 s). */
  call(
    method: string,
    params: object = {},
    { sessionId, limitMs = CALL_LIMIT_MS }: CallOptions = {},
  ): Promise<unknown> {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('the DevTools socket is closed'));
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    return withDeadline(promise, limitMs, `The DevTools call ${method}`).finally(() => this.#pending.delete(id));
  }

  /**
   * Ends endless scripts and loads of the page with this window handle, or of all pages where the handle is unknown. Measured: both
   * calls are answered by a page that loops, and are without effect on an idle one.
   */
  freePage(handle: string | null): void {
    const sessions = [...this.#pages].filter(([, page]) => page === handle);
    for (const [sessionId] of sessions.length > 0 ? sessions : this.#pages) {
      // Best effort: whether the page came free is seen by the command that waits for it.
      for (const method of ['Runtime.terminateExecution', 'Page.stopLoading']) {
        this.call(method, {}, { sessionId }).catch(() => undefined);
      }
    }
  }

  /** Ends the connection; nobody is told. */
  close(): void {
    this.#isWatched = false;
    this.#socket.terminate();
  }

  #receive(message: Message, onTabCrashed: (handle: string) => void): void {
    const { id, method, params, sessionId } = message;
    if (id !== undefined) {
      const call = this.#pending.get(id);
      if (message.error === undefined) call?.resolve(message.result);
      else call?.reject(new Error(message.error.message));
    } else if (
      method === 'Target.attachedToTarget' &&
      params?.sessionId !== undefined &&
      params.targetInfo !== undefined
    ) {
      this.#pages.set(params.sessionId, params.targetInfo.targetId);
    } else if (method === 'Target.detachedFromTarget' && params?.sessionId !== undefined) {
      this.#pages.delete(params.sessionId);
    } else if (method === 'Inspector.targetCrashed' && sessionId !== undefined) {
      const handle = this.#pages.get(sessionId);
      if (handle !== undefined) onTabCrashed(handle);
    }
  }
}

interface CallOptions {
  /** A page's DevTools session; default the browser itself. */
  readonly sessionId?: string;
  readonly limitMs?: number;
}

/** The browser's own socket, asked of the address in its capabilities (`goog:chromeOptions.debuggerAddress`). */
export async function findDevToolsUrl(debuggerAddress: string, signal: AbortSignal): Promise<string> {
  // `localhost` may mean ::1 first, where Chromium does not listen.
  const address = debuggerAddress.replace(/^localhost:/, '127.0.0.1:');
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_LIMIT_MS)]);
  const answer = await fetch(`http://${address}/json/version`, { signal: limit });
  const { webSocketDebuggerUrl } = (await answer.json()) as { webSocketDebuggerUrl?: string };
  if (webSocketDebuggerUrl === undefined) throw new Error(`no DevTools socket is offered at ${address}`);
  return webSocketDebuggerUrl;
}

/** Whether DevTools at `url` accepts a connection now; tells a broken socket from a browser that is gone. */
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
