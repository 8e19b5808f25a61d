import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LocalServer } from './local-server.ts';
import { RequestLog, sessionIdOf, toRequestPredicate } from './request-log.ts';
import type { RecordedRequest, RequestMatcher, WaitForRequestOptions } from './request-log.ts';
import { cutInBody, responseClosed, type CutKind } from './wire-faults.ts';

/** The options of a recording proxy. */
export interface RecordingProxyOptions {
  /** The port on 127.0.0.1. Default 0: a free port. */
  readonly port?: number;
  /** Called when a command arrives, before it is forwarded. */
  readonly onRequest?: (request: RecordedRequest) => void;
}

/** A fault that waits for a matching command. */
export interface ArmedFault {
  /** Resolves with the affected command after the fault has happened. */
  readonly struck: Promise<RecordedRequest>;
  /** Cancels the fault. Has no effect after it has matched a command. */
  disarm(): void;
}

type FaultKind = 'swallow' | CutKind;

interface Fault {
  readonly kind: FaultKind;
  readonly matches: (request: RecordedRequest) => boolean;
  readonly struck: PromiseWithResolvers<RecordedRequest>;
}

/** Hop-by-hop headers (RFC 9110, section 7.6.1), which belong to one of the two connections. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
]);

/** Starts a proxy before a WebDriver endpoint such as `http://127.0.0.1:9515`. Throws for `https` targets. */
export function openRecordingProxy(targetUrl: string, options: RecordingProxyOptions = {}): Promise<RecordingProxy> {
  return RecordingProxy.open(targetUrl, options);
}

/**
 * A proxy between a WebDriver client and a real driver or Grid. It records every command and loses answers on demand. Bodies and the Host
 * header are not changed, so chromedriver names the proxy in `webSocketUrl`. WebSockets are tunnelled.
 */
export class RecordingProxy implements AsyncDisposable {
  readonly #target: URL;
  readonly #server: LocalServer;
  readonly #onRequest: ((request: RecordedRequest) => void) | undefined;
  readonly #log = new RequestLog();
  readonly #agent = new Agent({ keepAlive: true });
  readonly #tunnels = new Set<Duplex>();
  readonly #faults: Fault[] = [];

  static async open(targetUrl: string, { port = 0, onRequest }: RecordingProxyOptions = {}): Promise<RecordingProxy> {
    const target = new URL(targetUrl);
    if (target.protocol !== 'http:')
      throw new TypeError(`A recording proxy supports only http: targets, not ${targetUrl}.`);
    return new RecordingProxy(target, { server: await LocalServer.open(port), onRequest });
  }

  private constructor(
    target: URL,
    { server, onRequest }: { server: LocalServer; onRequest: ((request: RecordedRequest) => void) | undefined },
  ) {
    this.#target = target;
    this.#server = server;
    this.#onRequest = onRequest;
    server.serve(
      (request, response) => this.#handle(request, response),
      (request, socket, head) => this.#tunnel(request, { socket, head }),
    );
  }

  /** The URL that a client uses as the driver's: the proxy's origin with the target's path. */
  get url(): string {
    return this.#server.url + this.#basePath;
  }

  get port(): number {
    return this.#server.port;
  }

  /** All commands so far, in the order of their arrival. */
  get requests(): readonly RecordedRequest[] {
    return this.#log.requests;
  }

  requestsFor(sessionId: string): readonly RecordedRequest[] {
    return this.#log.forSession(sessionId);
  }

  /** Resolves with a past or future command. Rejects if the proxy closes. Does not poll. */
  waitForRequest(matcher: RequestMatcher, options: WaitForRequestOptions = {}): Promise<RecordedRequest> {
    return this.#log.waitFor(matcher, options);
  }

  /** Forwards the next matching command and cuts the connection in the middle of its answer's body. */
  cutNextBody(matcher: RequestMatcher, { cut = 'fin' }: { readonly cut?: CutKind } = {}): ArmedFault {
    return this.#arm(matcher, cut);
  }

  /** Forwards the next matching command, receives the driver's answer, and never sends it to the client. */
  swallowNext(matcher: RequestMatcher): ArmedFault {
    return this.#arm(matcher, 'swallow');
  }

  /** Resets every connection, open or new, until {@link restore}, so that the endpoint is unreachable. */
  refuse(): void {
    this.#server.refuse();
    this.#endTunnels();
  }

  restore(): void {
    this.#server.restore();
  }

  /** Ends all connections of both sides at once. Idempotent. */
  async close(): Promise<void> {
    this.#log.close();
    this.#endTunnels();
    await this.#server.close();
    this.#agent.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #basePath(): string {
    return this.#target.pathname.replace(/\/$/, '');
  }

  #arm(matcher: RequestMatcher, kind: FaultKind): ArmedFault {
    const fault: Fault = { kind, matches: toRequestPredicate(matcher), struck: Promise.withResolvers() };
    this.#faults.push(fault);
    return { struck: fault.struck.promise, disarm: () => this.#disarm(fault) };
  }

  #disarm(fault: Fault): void {
    const index = this.#faults.indexOf(fault);
    if (index >= 0) this.#faults.splice(index, 1);
  }

  #record({ method = 'GET', url = '/' }: IncomingMessage): RecordedRequest {
    const base = this.#basePath;
    const path = url.startsWith(`${base}/`) ? url.slice(base.length) : url;
    const request = { method, path, sessionId: sessionIdOf(path), at: performance.now() };
    this.#onRequest?.(request);
    this.#log.record(request);
    return request;
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = this.#record(incoming);
    const fault = this.#faults.find(({ matches }) => matches(request));
    if (fault) this.#disarm(fault);
    const answer = await this.#forward(incoming, response);
    if (!fault) {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEndHeaders(answer));
      return pipeline(answer, response);
    }
    const chunks = await answer.toArray();
    if (fault.kind !== 'swallow') {
      const [status, headers] = [answer.statusCode ?? 502, withoutHops(answer.headers)];
      cutInBody(response, { status, headers, body: Buffer.concat(chunks), cut: fault.kind });
    }
    fault.struck.resolve(request);
    await responseClosed(response);
  }

  /**
   * Forwards a request. Rejects if the driver drops its connection, which drops the client's. If the client disconnects, the connection to
   * the driver ends too.
   */
  #forward(incoming: IncomingMessage, response: ServerResponse): Promise<IncomingMessage> {
    const { hostname, port } = this.#target;
    const { method, url: path } = incoming;
    const headers = endToEndHeaders(incoming);
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({ hostname, port, method, path, headers, agent: this.#agent });
      response.once('close', () => {
        if (!response.writableFinished) outgoing.destroy();
      });
      outgoing.once('response', resolve).on('error', reject);
      pipeline(incoming, outgoing).catch(reject);
    });
  }

  #tunnel(incoming: IncomingMessage, { socket, head }: { socket: Duplex; head: Buffer }): void {
    this.#record(incoming);
    const upstream = connect({ host: this.#target.hostname, port: Number(this.#target.port || 80) });
    for (const [side, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      this.#tunnels.add(side);
      side.on('error', () => side.destroy());
      side.once('close', () => {
        this.#tunnels.delete(side);
        other.destroy();
      });
      side.pipe(other);
    }
    const { method, url, httpVersion, rawHeaders } = incoming;
    const lines = [`${method} ${url} HTTP/${httpVersion}`];
    for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
    upstream.write(head);
  }

  #endTunnels(): void {
    for (const side of this.#tunnels) side.destroy();
  }
}

/** Returns the headers in their order, case and multiplicity, without those of the connection. */
function endToEndHeaders({ rawHeaders }: IncomingMessage): string[] {
  const headers: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = rawHeaders.slice(i, i + 2);
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, value);
  }
  return headers;
}

function withoutHops(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}
