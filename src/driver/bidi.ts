/**
 * The WebDriver BiDi socket of a session without DevTools. It is a sign of life, because it closes when the browser or the driver ends. It
 * also answers questions without waiting for commands.
 */
import type { Agent } from 'node:http';

import { WebSocket } from 'ws';

import { raceSignal, withDeadline } from '../core/abort.ts';
import { tryConnection, type BrowserSocket, type ConnectionAnswer, type SocketRoute } from './browser-socket.ts';

const OPEN_LIMIT_MS = 10_000;
const CALL_LIMIT_MS = 10_000;

export interface BidiOptions {
  readonly url: string;
  readonly agent?: Agent | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** The time limit of the connection. Default 10 s. */
  readonly connectLimitMs?: number | undefined;
  /** Ends the attempt to connect. */
  readonly signal: AbortSignal;
  /** Called when the open socket closes and this side did not close it. */
  readonly onClosed: (description: string, code: number) => void;
}

interface Message {
  readonly id?: number | null;
  readonly type?: string;
  readonly result?: unknown;
  readonly error?: string;
  readonly message?: string;
}

export class Bidi implements BrowserSocket {
  readonly #socket: WebSocket;
  readonly #address: SocketRoute;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  /** True after `connect` resolves. Before that, the promise reports a failure, and a close is not reported. */
  #isWatched = false;

  /** Resolves when the socket is open. A session accepts several clients (measured). */
  static async connect({
    url,
    agent,
    headers = {},
    connectLimitMs = OPEN_LIMIT_MS,
    signal,
    onClosed,
  }: BidiOptions): Promise<Bidi> {
    const address = { url: url.replace('localhost', '127.0.0.1'), agent, headers };
    const socket = new WebSocket(address.url, { handshakeTimeout: connectLimitMs, agent, headers });
    const opened = Promise.withResolvers<void>();
    socket.on('error', opened.reject);
    socket.once('open', opened.resolve);
    const bidi = new Bidi(socket, address, onClosed);
    try {
      await raceSignal(opened.promise, signal);
    } catch (thrown) {
      socket.terminate();
      throw thrown;
    }
    bidi.#isWatched = true;
    return bidi;
  }

  private constructor(socket: WebSocket, address: SocketRoute, onClosed: BidiOptions['onClosed']) {
    this.#socket = socket;
    this.#address = address;
    socket.on('message', (data: Buffer) => this.#receive(JSON.parse(data.toString()) as Message));
    socket.once('close', (code) => {
      const description = `the BiDi socket closed (code ${code})`;
      for (const { reject } of this.#pending.values()) reject(new Error(description));
      this.#pending.clear();
      if (this.#isWatched) onClosed(description, code);
    });
  }

  /** Firefox answers while a page loops, an alert is open, and a navigation or a script takes long (measured on 153). */
  async prove(limitMs: number): Promise<void> {
    await this.call('session.status', {}, limitMs);
  }

  tryConnection(limitMs: number): Promise<ConnectionAnswer> {
    return tryConnection(this.#address, limitMs);
  }

  /** Sends one command. Rejects if the browser refuses it, if the socket closes, or after `limitMs` (default 10 s). */
  call(method: string, params: object = {}, limitMs = CALL_LIMIT_MS): Promise<unknown> {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('the BiDi socket is closed'));
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#pending.set(id, answer);
    this.#socket.send(JSON.stringify({ id, method, params }));
    const what = `The BiDi command ${method}`;
    return withDeadline(answer.promise, limitMs, what).finally(() => this.#pending.delete(id));
  }

  /** Ends the connection without calling `onClosed`. */
  close(): void {
    this.#isWatched = false;
    this.#socket.terminate();
  }

  #receive({ id, type, result, error, message }: Message): void {
    const answer = typeof id === 'number' ? this.#pending.get(id) : undefined;
    if (type === 'error') answer?.reject(new Error(message ?? error ?? 'the browser refused a BiDi command'));
    else answer?.resolve(result);
  }
}
