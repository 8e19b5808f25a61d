/**
 * Sockets that an action opened beside the transport: `driver.getBidi()`, a BiDi module, `driver.createCDPConnection()`. They pass no
 * door. Whatever waits on them is told of the session's end with its reason, as commands are, and at that end they are terminated.
 */
import { once } from 'node:events';

import type { WebDriver } from 'selenium-webdriver';
import { closeBidiConnection, getBidiConnection, type BidiConnection } from 'selenium-webdriver/lib/bidi_connection.js';
import { WebSocket } from 'ws';

import { raceSignal, settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';

/** Selenium's CDP connection, as far as it matters here. */
interface CdpConnection {
  readonly _wsConnection: WebSocket;
  /** The id of the next command. */
  readonly cmd_id: number;
  send(method: string, params: object): Promise<unknown>;
}

/** The words of an error if browser or driver go away while a connection is being made. */
const BROKEN = /ECONN|EPIPE|socket hang up/;

/** How long a socket that closed waits for the session's death to be declared. It takes 250 ms at most (measured). */
const DEATH_KNOWN_MS = 1_000;

export class OwnSockets {
  readonly #driver: WebDriver;
  readonly #signal: AbortSignal;
  readonly #sockets = new Set<WebSocket>();
  #bidi: BidiConnection | undefined;
  /** Set while it is looked whether there is a BiDi connection; told if selenium would make one. */
  #onBidiMissing: (() => never) | undefined;

  /** `signal` aborts with the reason of the session's end. */
  constructor(driver: WebDriver, signal: AbortSignal) {
    this.#driver = driver;
    this.#signal = signal;
    const createCdpConnection = driver.createCDPConnection.bind(driver);
    const getCapabilities = driver.getCapabilities.bind(driver);
    driver.createCDPConnection = async (target) => {
      const connection = await this.#race(() => createCdpConnection(target)).catch(async (thrown: unknown) => {
        throw BROKEN.test(toError(thrown).message) ? await this.#reasonFor(toError(thrown)) : thrown;
      });
      this.#watchCdp(connection);
      return connection;
    };
    // Selenium puts each socket into this field as soon as it makes one, long before it returns the connection.
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
    // Selenium asks for them when it makes a BiDi connection, and tells of the connection in no other way.
    driver.getCapabilities = async () => {
      this.#onBidiMissing?.();
      signal.throwIfAborted();
      queueMicrotask(() => this.#watchBidi());
      return getCapabilities();
    };
  }

  terminate(): void {
    for (const socket of this.#sockets) {
      // One that is being opened tells of its end as an error.
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
        // Selenium waits 30 s for an answer, even of a socket that is closed. With this one it stops.
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
    // Selenium has kept the attempt, and would give it to the next who asks.
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
      // The socket is often the first to know of a death.
      if (connection.socket.readyState < WebSocket.CLOSING) fail(signal.aborted ? toError(signal.reason) : error);
      else void this.#failWithReason(fail, error);
    };
    signal.addEventListener('abort', () => fail(toError(signal.reason)), { once: true });
  }

  /** The reason of the session's end, if that is behind `error`; it may be declared a little later. */
  async #reasonFor(error: Error): Promise<Error> {
    if (!this.#signal.aborted) await settlesWithin(once(this.#signal, 'abort'), DEATH_KNOWN_MS);
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
