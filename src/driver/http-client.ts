/**
 * One HTTP exchange with a remote end. Unlike selenium's own client it can be aborted, never sends a request twice (the first one may
 * have been carried out), settles when a body is cut off in the middle, and keeps `error.code`.
 */
import http from 'node:http';
import https from 'node:https';

import { toError } from '../core/errors.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export interface HttpExchange {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** Idle connections are closed by us before any server does it, so that a command never meets a connection that is just closing. */
const IDLE_CONNECTION_MS = 2_000;

/** Talks to the remote end at `url`; user and password in it become basic authentication. */
export class HttpClient {
  readonly url: string;
  readonly #base: URL;
  readonly #agent: http.Agent;
  readonly #authorization: string | undefined;

  constructor(url: string) {
    this.url = url;
    this.#base = new URL(url);
    const options = { keepAlive: true, timeout: IDLE_CONNECTION_MS };
    this.#agent = this.#base.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options);
    if (this.#base.username !== '') {
      const credentials = `${decode(this.#base.username)}:${decode(this.#base.password)}`;
      this.#authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
    }
  }

  /** Rejects with `signal.reason` when aborted, else with node's own error (`code` ECONNRESET, ECONNREFUSED, …). */
  send({ method, path, headers, body, signal }: HttpExchange): Promise<HttpAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const fail = (error: Error) => reject(signal.aborted ? toError(signal.reason) : error);
    if (signal.aborted) {
      fail(toError(signal.reason));
      return promise;
    }
    const transport = this.#base.protocol === 'https:' ? https : http;
    const request = transport.request(
      {
        protocol: this.#base.protocol,
        hostname: this.#base.hostname.replace(/^\[|\]$/g, ''),
        port: this.#base.port,
        method,
        path: this.#base.pathname.replace(/\/$/, '') + path,
        agent: this.#agent,
        headers: {
          accept: 'application/json; charset=utf-8',
          ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }),
          ...headers,
          ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => void chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: flattenHeaders(response.headers),
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    request.on('error', fail);
    // By hand, because node's own `signal` option costs a tenth of a short command.
    const onAbort = () => request.destroy(toError(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    request.once('close', () => signal.removeEventListener('abort', onAbort));
    request.end(body);
    return promise;
  }

  /** Closes all connections; an exchange that is still under way rejects with ECONNRESET. */
  close(): void {
    this.#agent.destroy();
  }
}

/** A `%` that begins no escape stands for itself. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function flattenHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}
