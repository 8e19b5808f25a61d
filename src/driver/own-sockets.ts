/**
 * Sockets that an action opened beside the transport: `driver.getBidi()`, a BiDi module, `driver.createCDPConnection()`. They bypass the
 * transport. When the session ends, pending calls on them reject with the reason, as commands do, and the sockets are terminated.
 */
import { once } from 'node:events';

import type { WebDriver } from 'selenium-webdriver';
import { closeBidiConnection, getBidiConnection, type BidiConnection } from 'selenium-webdriver/lib/bidi_connection.js';
import { WebSocket } from 'ws';

import { raceSignal, settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';

/** The used part of selenium's CDP connection. */
interface CdpConnection {
  readonly _wsConnection: WebSocket;
  /** The id of the next command. */
  readonly cmd_id: number;
  send(method: string, params: object): Promise<unknown>;
}

/** The text of an error if the browser or the driver ends while a connection is being made. */
const BROKEN_CONNECTION = /ECONN|EPIPE|socket hang up/;

/** The time limit for the declaration of a death after a socket closed. It takes at most 250 ms (measured). */
const DEATH_LIMIT_MS = 1_000;

export class OwnSockets {
  readonly #driver: WebDriver;
  readonly #signal: AbortSignal;
  readonly #sockets = new Set<WebSocket>();
  #bidi: BidiConnection | undefined;
  /** A function that is set during the check for an existing BiDi connection; it is called if selenium would create one. */
  #onBidiMissing: (() => never) | undefined;

  /** `signal` aborts with the reason of the session's end. */
  constructor(driver: WebDriver, signal: AbortSignal) {
    this.#driver = driver;
    this.#signal = signal;
    const createCdpConnection = driver.createCDPConnection.bind(driver);
    const getCapabilities = driver.getCapabilities.bind(driver);
    driver.createCDPConnection = async (target) => {
      const connection = await this.#race(() => createCdpConnection(target)).catch(async (thrown: unknown) => {
        throw BROKEN_CONNECTION.test(toError(thrown).message) ? await this.#reasonFor(toError(thrown)) : thrown;
      });
      this.#watchCdp(connection);
      return connection;
    };
    // Selenium stores each socket in this field as soon as it creates it, long before it returns the connection.
    let cdpSocket: WebSocket | undefined;
    Object.defineProperty(driver, '_cdpWsConnection', {
      configurable: true,
      get: () => cdpSocket,
      set: (socket: WebSocket) => {
        cdpSocket = socket;
        this.#sockets.add(socket);
        if (signal.aborted) this.terminate();
      },
    });
    // Selenium reads the capabilities when it creates a BiDi connection; there is no other sign of a new connection.
    driver.getCapabilities = async () => {
      this.#onBidiMissing?.();
      signal.throwIfAborted();
      queueMicrotask(() => this.#watchBidi());
      return getCapabilities();
    };
  }

  terminate(): void {
    for (const socket of this.#sockets) {
      // A socket that is being opened reports its end as an error.
      socket.on('error', () => undefined);
      socket.terminate();
    }
    void closeBidiConnection(this.#driver);
    this.#bidi?.socket.terminate();
  }

  #watchCdp(connection: CdpConnection): void {
    const { _wsConnection: socket } = connection;
    const send = connection.send.bind(connection);
    connection.send = async (method, params) => {
      const id = connection.cmd_id;
      try {
        return await this.#race(() => send(method, params));
      } finally {
        // Selenium waits 30 s for an answer, even from a closed socket. This message ends the wait.
        if (this.#signal.aborted) socket.emit('message', JSON.stringify({ id }));
      }
    };
  }

  #watchBidi(): void {
    let isMissing = false;
    this.#onBidiMissing = () => {
      isMissing = true;
      throw new Error('there is no BiDi connection');
    };
    const connecting = getBidiConnection(this.#driver);
    this.#onBidiMissing = undefined;
    // Selenium has stored the failed attempt and would return it to the next caller.
    if (isMissing) void closeBidiConnection(this.#driver);
    connecting.then(
      (connection) => this.#adoptBidi(connection),
      () => undefined,
    );
  }

  #adoptBidi(connection: BidiConnection): void {
    if (this.#bidi === connection) return;
    this.#bidi = connection;
    const signal = this.#signal;
    const send = connection.send.bind(connection);
    const fail = connection._failPending.bind(connection);
    connection.send = (command) => (signal.aborted ? Promise.reject(toError(signal.reason)) : send(command));
    connection._failPending = (error) => {
      // The socket often detects a death first.
      if (connection.socket.readyState < WebSocket.CLOSING) fail(signal.aborted ? toError(signal.reason) : error);
      else void this.#failWithReason(fail, error);
    };
    signal.addEventListener('abort', () => fail(toError(signal.reason)), { once: true });
  }

  /** Returns the reason of the session's end if it is the cause of `error`. It may be declared a little later. */
  async #reasonFor(error: Error): Promise<Error> {
    if (!this.#signal.aborted) await settlesWithin(once(this.#signal, 'abort'), DEATH_LIMIT_MS);
    return this.#signal.aborted ? toError(this.#signal.reason) : error;
  }

  async #failWithReason(fail: (error: Error) => void, error: Error): Promise<void> {
    fail(await this.#reasonFor(error));
  }

  #race<Value>(work: () => Promise<Value>): Promise<Value> {
    this.#signal.throwIfAborted();
    return raceSignal(work(), this.#signal);
  }
}
