/**
 * HTTP exchanges with a remote end. Unlike selenium's own client, this one can be aborted, never sends a request twice (the first may have
 * been carried out), settles if a body is cut off, and preserves `error.code`.
 */
import { createWriteStream } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import { pipeline } from 'node:stream/promises';

import { raceSignal } from '../core/abort.ts';
import { toBasicAuth } from '../core/basic-auth.ts';
import { toError } from '../core/errors.ts';
import { PRIVATE_FILE_MODE } from '../core/folders.ts';
import { findSecrets } from '../core/redact.ts';
import { secrets } from '../core/secrets.ts';
import { Serial } from '../core/serial.ts';
import { SharedAgents } from './shared-agents.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export interface HttpExchange {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body?: string;
  /** A file that the body of an answer with status 200 is written to as it comes. `body` of the answer is then empty. */
  readonly saveTo?: string | undefined;
  /**
   * True if the exchange waits for the earlier exchanges that have this option. A session runs one command at a time. chromedriver's listen
   * queue overflows at about 60 connections, and further ones wait for minutes (measured).
   *
   * @default false
   */
  readonly inOrder?: boolean;
  /** Called right before the exchange is sent. A returned promise is awaited; its rejection rejects the exchange. */
  readonly beforeSend?: (() => Promise<void> | undefined) | undefined;
  readonly signal: AbortSignal;
}

/** The characters of a path that must be escaped. Selenium puts a cookie's name into the path unescaped. */
const UNESCAPED = /[^\x21-\x7e]|["'<>\\^`{|}]/g;
const MAX_REDIRECTS = 5;
const { version } = createRequire(import.meta.url)('selenium-webdriver/package.json') as { version: string };
/** The headers of selenium's own client (http/index.js of selenium-webdriver 4.49). */
const USER_AGENT = `selenium/${version} (js ${{ darwin: 'mac', win32: 'windows' }[process.platform as string] ?? 'linux'})`;
const JSON_TYPE = 'application/json;charset=UTF-8';

/** The network route to an endpoint. */
export interface Route {
  /** An `http.Agent` for an http URL, an `https.Agent` for an https URL. The client does not close it. */
  readonly agent?: http.Agent | undefined;
  /** The URL of a proxy, such as `http://user:password@proxy.test:3128`. Ignored if `agent` is given. */
  readonly proxy?: string | undefined;
}

/** The clients of one endpoint share its idle connections: a session that is only probed then needs no connection of its own. */
const sharedAgents = new SharedAgents();

/** Finds the secrets of an endpoint. Many sessions share an endpoint, so the last result is reused. */
class EndpointSecrets {
  #last: { readonly url: string; readonly proxy: string | undefined; readonly found: readonly string[] } | undefined;

  of(url: string, proxy: string | undefined): readonly string[] {
    if (this.#last?.url !== url || this.#last.proxy !== proxy)
      this.#last = { url, proxy, found: findSecrets([url, proxy]) };
    return this.#last.found;
  }
}

const endpointSecrets = new EndpointSecrets();

/** A client of the remote end at `url`. A user and a password in the URL become basic authentication. */
export class HttpClient {
  readonly url: string;
  /** The agent for sockets other than the exchanges; undefined if they need none. */
  readonly socketAgent: http.Agent | undefined;
  readonly #base: URL;
  readonly #agent: http.Agent;
  /** Gives the shared agent back. Idempotent. */
  readonly #release: () => void;
  /** The requests in progress. */
  readonly #requests = new Set<http.ClientRequest>();
  readonly #turns = new Serial();
  #inTurn: http.ClientRequest | undefined;
  readonly #authorization: string | undefined;

  constructor(url: string, { agent, proxy }: Route = {}) {
    this.url = url;
    secrets.add(endpointSecrets.of(url, proxy));
    this.#base = new URL(url);
    const shared = agent === undefined ? sharedAgents.borrow(this.#base, proxy) : { agent, release: () => undefined };
    this.#agent = shared.agent;
    this.#release = shared.release;
    this.socketAgent = agent !== undefined || proxy !== undefined ? this.#agent : undefined;
    this.#authorization = toBasicAuth(this.#base);
  }

  /**
   * Sends one exchange and follows redirects with status 302 and 303 by GET. Rejects with `signal.reason` if aborted, otherwise with Node's
   * own error (`code` ECONNRESET, ECONNREFUSED, …).
   */
  async send(exchange: HttpExchange): Promise<HttpAnswer> {
    const path = this.#base.pathname.replace(/\/$/, '') + exchange.path.replace(UNESCAPED, encodeURIComponent);
    const first = () => this.#sendWhenAllowed({ ...exchange, path });
    let answer = await (exchange.inOrder === true ? this.#turns.run(first) : first());
    let url = this.#base;
    for (let redirects = 0; answer.status === 302 || answer.status === 303; redirects += 1) {
      const { location } = answer.headers;
      if (location === undefined || redirects === MAX_REDIRECTS) return answer;
      url = new URL(location, url);
      answer = await this.#sendTo(url, { method: 'GET', path: url.pathname + url.search, signal: exchange.signal });
    }
    return answer;
  }

  #sendWhenAllowed(exchange: HttpExchange): Promise<HttpAnswer> {
    const held = exchange.beforeSend?.();
    const send = () => this.#sendTo(this.#base, exchange);
    return held === undefined ? send() : raceSignal(held, exchange.signal).then(send);
  }

  /** Sends one request to the host of `url`. */
  #sendTo(
    url: URL,
    { method, path, headers, body, saveTo, inOrder = false, signal }: HttpExchange,
  ): Promise<HttpAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const fail = (error: Error) => reject(signal.aborted ? toError(signal.reason) : error);
    if (signal.aborted) {
      fail(toError(signal.reason));
      return promise;
    }
    const isOwn = url.origin === this.#base.origin;
    const { request: begin } = url.protocol === 'https:' ? https : http;
    const request = begin(
      {
        protocol: url.protocol,
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port,
        method,
        path,
        ...(isOwn ? { agent: this.#agent } : {}),
        headers: {
          accept: 'application/json; charset=utf-8',
          'user-agent': USER_AGENT,
          ...(isOwn && this.#authorization !== undefined ? { authorization: this.#authorization } : {}),
          ...headers,
          'content-length': String(Buffer.byteLength(body ?? '')),
          ...(body === undefined ? {} : { 'content-type': JSON_TYPE }),
        },
      },
      (response) => {
        if (saveTo !== undefined && response.statusCode === 200) {
          const answer = { status: 200, headers: flattenHeaders(response.headers), body: '' };
          pipeline(response, createWriteStream(saveTo, { mode: PRIVATE_FILE_MODE })).then(() => resolve(answer), fail);
          return;
        }
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => void chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () => {
          try {
            const whole = Buffer.concat(chunks).toString('utf8');
            resolve({ status: response.statusCode ?? 0, headers: flattenHeaders(response.headers), body: whole });
          } catch (thrown) {
            // The body is longer than the longest string (512 MB).
            fail(toError(thrown));
          }
        });
      },
    );
    request.on('error', fail);
    // Implemented by hand, because Node's own `signal` option adds 10 % to the time of a short command.
    const onAbort = () => {
      request.destroy(toError(signal.reason));
      // A request that waits for a connection reports its end only when it gets one.
      fail(toError(signal.reason));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#requests.add(request);
    request.once('close', () => {
      this.#requests.delete(request);
      signal.removeEventListener('abort', onAbort);
    });
    if (inOrder) this.#inTurn = request;
    request.end(body);
    return promise;
  }

  /** Aborts the current `inOrder` exchange, which rejects with ECONNRESET. The next one gets a new connection. */
  dropConnection(): void {
    this.#inTurn?.destroy();
  }

  /** Ends the exchanges in progress, which reject with ECONNRESET, and closes the connections that no other client of the endpoint uses. */
  close(): void {
    for (const request of this.#requests) request.destroy();
    this.#release();
  }
}

function flattenHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}
