import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { FAULT_PAGES, page } from './fault-pages.ts';
import { Holds, type Hold } from './holds.ts';
import { LocalServer, readBody } from './local-server.ts';
import { RequestLog, type RecordedRequest, type RequestMatcher, type WaitForRequestOptions } from './request-log.ts';
import { cutInBody, resetBeforeAnswer, responseClosed, sendWhole, type CutKind } from './wire-faults.ts';

/** A request to the fault site, with its headers and body. */
export interface SiteRequest extends RecordedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Visit extends SiteRequest {
  readonly url: URL;
  readonly response: ServerResponse;
}

/** Starts a local site with pages and APIs that fail on purpose. {@link FaultSite} lists its paths. */
export function openFaultSite({ port = 0 }: { readonly port?: number } = {}): Promise<FaultSite> {
  return FaultSite.open({ port });
}

/**
 * A local site for tests of failing pages and APIs.
 *
 * | path | behaviour |
 * |---|---|
 * | `/ok` | a page with the title `ok` and a link |
 * | `/slow?ms=1000` | a page with a delayed answer; the title is `slow` |
 * | `/never` | the request is read, but no answer is sent, not even headers |
 * | `/cut?how=fin` | JSON cut in the middle of its body, by `fin` or `rst` |
 * | `/reset` | the connection is reset before an answer |
 * | `/status/503?retryAfter=1` | any HTTP status, with JSON, and `Retry-After` if requested |
 * | `/flaky/KEY?failures=1&status=503` | fails the given number of times for each key, then 200 with JSON |
 * | `/loop?after=200` | an endless loop in script, the given number of ms after the page's load |
 * | `/loop-inline` | an endless loop in script while the page loads |
 * | `/loop-begun` | receives a beacon from both pages when their loop begins |
 * | `/alert` | opens an alert after load: `boo` |
 * | `/script-error` | a page with a script that throws |
 * | `/close` | closes its window after load, if a script opened it |
 * | `/set-cookie`, `/redirect-set-cookie` | set the HttpOnly cookie `session`; the second one redirects to `/echo` |
 * | `/echo` | JSON with method, path, headers, cookies and body |
 * | `/json?n=1` | JSON `{ n, items }` with n items |
 */
export class FaultSite implements AsyncDisposable {
  readonly #server: LocalServer;
  readonly #log = new RequestLog<SiteRequest>();
  readonly #holds = new Holds();
  readonly #failures = new Map<string, number>();

  static async open({ port = 0 }: { readonly port?: number } = {}): Promise<FaultSite> {
    return new FaultSite(await LocalServer.open(port));
  }

  private constructor(server: LocalServer) {
    this.#server = server;
    server.serve((request, response) => this.#handle(request, response));
  }

  /** The origin, without a trailing slash. */
  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  get requests(): readonly SiteRequest[] {
    return this.#log.requests;
  }

  /** Returns the number of requests for a path, with any method and query. */
  requestCount(path: string): number {
    return this.#log.requests.filter((request) => request.path.replace(/\?.*$/, '') === path).length;
  }

  /** Resolves with a past or future request. Rejects if the site closes. Does not poll. */
  waitForRequest(matcher: RequestMatcher, options: WaitForRequestOptions = {}): Promise<SiteRequest> {
    return this.#log.waitFor(matcher, options);
  }

  /** Holds the answers to matching requests until the hold is released. */
  hold(matcher: RequestMatcher): Hold {
    return this.#holds.hold(matcher);
  }

  /** Resets every connection until {@link restore}, so that the site is unreachable. */
  refuse(): void {
    this.#server.refuse();
  }

  restore(): void {
    this.#server.restore();
  }

  /** Ends all connections at once, delayed answers included. Idempotent. */
  async close(): Promise<void> {
    this.#log.close();
    await this.#server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = performance.now();
    const { method = 'GET', url: path = '/', headers } = incoming;
    const request: SiteRequest = { method, path, sessionId: undefined, at, headers, body: await readBody(incoming) };
    this.#log.record(request);
    await this.#holds.waitUntilReleased(request);
    await this.#answer({ ...request, url: new URL(path, this.url), response });
  }

  #answer(visit: Visit): Promise<void> | void {
    const { url, response } = visit;
    const html = FAULT_PAGES[url.pathname];
    if (html !== undefined) return sendPage(response, html);
    const [, section, rest] = /^\/([^/]+)(?:\/(.*))?$/.exec(url.pathname) ?? [];
    switch (section) {
      case 'slow':
        return sendSlowly(visit, numberOf(url, { name: 'ms', fallback: 1_000 }));
      case 'never':
        return responseClosed(response);
      case 'reset':
        return resetBeforeAnswer(response);
      case 'cut': {
        const cut: CutKind = url.searchParams.get('how') === 'rst' ? 'rst' : 'fin';
        return cutInBody(response, { status: 200, headers: jsonHeaders(), body: JSON.stringify(manyItems(50)), cut });
      }
      case 'status':
        return sendStatus(visit, Number(rest));
      case 'flaky':
        return this.#sendFlaky(visit, rest ?? '');
      case 'set-cookie':
        response.setHeader('set-cookie', 'session=secret; Path=/; HttpOnly');
        return sendPage(response, page('set-cookie', 'a cookie was set'));
      case 'redirect-set-cookie':
        response.setHeader('set-cookie', 'session=redirected; Path=/; HttpOnly').setHeader('location', '/echo');
        return sendWhole(response, { status: 302, headers: {}, body: '' });
      case 'echo': {
        const { method, path, headers, body } = visit;
        return sendJson(response, { method, path, headers, cookies: cookiesOf(headers), body });
      }
      case 'loop-begun':
        return sendJson(response, {});
      case 'json':
        return sendJson(response, manyItems(numberOf(url, { name: 'n', fallback: 1 })));
      default:
        return sendWhole(response, { status: 404, headers: htmlHeaders(), body: page('not found', 'no such page') });
    }
  }

  #sendFlaky({ url, response }: Visit, key: string): void {
    const failed = this.#failures.get(key) ?? 0;
    if (failed >= numberOf(url, { name: 'failures', fallback: 1 })) return sendJson(response, { key, failed });
    this.#failures.set(key, failed + 1);
    const status = numberOf(url, { name: 'status', fallback: 503 });
    sendWhole(response, { status, headers: jsonHeaders(), body: JSON.stringify({ key, failed: failed + 1 }) });
  }
}

async function sendSlowly({ response }: Visit, ms: number): Promise<void> {
  const timer = Promise.withResolvers<void>();
  const handle = setTimeout(timer.resolve, ms);
  await Promise.race([timer.promise, responseClosed(response)]);
  clearTimeout(handle); // No timer remains if the site closes or the browser leaves the page.
  if (!response.destroyed) sendPage(response, page('slow', `waited ${ms} ms`));
}

function sendStatus({ url, response }: Visit, status: number): void {
  const retryAfter = url.searchParams.get('retryAfter');
  if (retryAfter !== null) response.setHeader('retry-after', retryAfter);
  // Node refuses statuses that are not final. The answer reports the mistake.
  const isFinal = status >= 200 && status <= 599;
  const body = isFinal ? JSON.stringify({ status }) : JSON.stringify({ error: 'the status must be from 200 to 599' });
  sendWhole(response, { status: isFinal ? status : 400, headers: jsonHeaders(), body });
}

function sendPage(response: ServerResponse, html: string): void {
  sendWhole(response, { status: 200, headers: htmlHeaders(), body: html });
}

function sendJson(response: ServerResponse, value: unknown): void {
  sendWhole(response, { status: 200, headers: jsonHeaders(), body: JSON.stringify(value) });
}

function manyItems(n: number): { n: number; items: { id: number; name: string }[] } {
  return { n, items: Array.from({ length: n }, (_, index) => ({ id: index + 1, name: `item ${index + 1}` })) };
}

function cookiesOf({ cookie = '' }: IncomingHttpHeaders): Record<string, string> {
  const pairs = cookie.split('; ').filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const),
  );
}

function numberOf(url: URL, { name, fallback }: { name: string; fallback: number }): number {
  const text = url.searchParams.get(name);
  return text === null || Number.isNaN(Number(text)) ? fallback : Number(text);
}

function htmlHeaders(): Record<string, string> {
  return { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' };
}

function jsonHeaders(): Record<string, string> {
  return { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };
}
