import type { IncomingMessage, ServerResponse } from 'node:http';
import { eventually } from '../support/eventually.ts';
import { LocalServer, readBody } from '../../src/testing/local-server.ts';
import { page } from '../../src/testing/fault-pages.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void | Promise<void>;

/** A request that the site received; its path includes the query. */
export interface Visit {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A site with pages that the bodies define. Each side of a comparison has its own site. */
export class Site implements AsyncDisposable {
  readonly visits: Visit[] = [];
  readonly #server: LocalServer;
  readonly #answers = new Map<string, Answer>();

  static async open(): Promise<Site> {
    return new Site(await LocalServer.open());
  }

  private constructor(server: LocalServer) {
    this.#server = server;
    server.serve((request, response) => this.#handle(request, response));
  }

  get url(): string {
    return this.#server.url;
  }

  /** The port, for the same site under another host name. */
  get port(): number {
    return this.#server.port;
  }

  /** Serves a page with this body at the path, and returns its URL. The title is the path without its slash. */
  page(path: string, body = ''): string {
    return this.answer(path, (_request, response) => sendHtml(response, page(path.slice(1), body)));
  }

  /** Answers requests to the path, and returns its URL. */
  answer(path: string, answer: Answer): string {
    this.#answers.set(path, answer);
    return this.url + path;
  }

  /** Resolves with the first request to the path, past or future. */
  visit(path: string): Promise<Visit> {
    const find = () => Promise.resolve(this.visits.find((visit) => visit.path === path));
    return eventually(find, `a request to ${path}`);
  }

  /** Removes all pages and visits. */
  reset(): void {
    this.#answers.clear();
    this.visits.length = 0;
  }

  /** Returns the text without the site's address, which differs between the two sides. */
  relative(text: string): string {
    return text.replaceAll(this.url, '').replaceAll(`localhost:${this.port}`, 'localhost');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const body = await readBody(request);
    this.visits.push({ method, path: url, headers, body });
    const answer = this.#answers.get(url.replace(/\?.*$/, ''));
    if (answer !== undefined) return answer(request, response, body);
    response.writeHead(404, { 'content-type': 'text/html' }).end(page('not found', ''));
  }
}

export function sendHtml(response: ServerResponse, html: string): void {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(html);
}
