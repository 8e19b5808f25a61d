/**
 * The demo shop: a small web shop for examples and tests, served by this process on 127.0.0.1.
 *
 * Rules of this module: all contents are derived from the seed, so that the data of a run can be checked exactly; the shop sends no
 * requests to other servers; after `close()` no connection and no timer is left.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { makeCatalogue } from './catalogue.ts';
import type { ProductRecord } from './catalogue.ts';
import { Gate } from './gate.ts';
import { randomAt } from './random.ts';
import { answer, toVisit } from './routes.ts';
import type { Route, Shop } from './routes.ts';

export type { Badge, ListingItem, ProductDetails, ProductRecord } from './catalogue.ts';

const ASSETS = [
  { path: '/favicon.svg', file: 'favicon.svg', type: 'image/svg+xml' },
  // A browser requests this when it shows a JSON answer.
  { path: '/favicon.ico', file: 'favicon.svg', type: 'image/svg+xml' },
  { path: '/assets/frame.css', file: 'frame.css', type: 'text/css; charset=utf-8' },
  { path: '/assets/goods.css', file: 'goods.css', type: 'text/css; charset=utf-8' },
  { path: '/assets/catalog.js', file: 'catalog.js', type: 'text/javascript; charset=utf-8' },
] as const;

export interface DemoShopOptions {
  /** The port; 0 (default) means any free port. */
  readonly port?: number;
  /** The number of listing pages; default 25. */
  readonly pages?: number;
  /** The number of products on each page; default 20. */
  readonly itemsPerPage?: number;
  /** The seed of products, delays and refusals; default 500. */
  readonly seed?: number;
  /** The minimum delay of an API call; default 2. */
  readonly minDelayMs?: number;
  /** The maximum delay of an API call; default 25. */
  readonly maxDelayMs?: number;
  /** About one in this number of detail and badge calls is answered 429; 0 means none; default 60. */
  readonly tooManyRequestsEvery?: number;
}

/** Opens the shop. Rejects if the port is in use. The caller must close the shop. */
export async function openDemoShop(options: DemoShopOptions = {}): Promise<DemoShop> {
  return DemoShop.open(options);
}

export class DemoShop {
  /** The URL of the shop without a trailing slash: `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** The number of requests by route, including refused ones. */
  readonly requests: Readonly<Record<Route, number>>;
  /** The numbers of requests that were answered 401 and 429. */
  readonly refusals: { readonly unauthorized: number; readonly tooManyRequests: number };

  readonly #arrivals: EventTarget;
  readonly #shop: Shop;
  readonly #close: () => Promise<void>;
  #closing: Promise<void> | undefined;

  private constructor(parts: {
    counter: Counter;
    arrivals: EventTarget;
    url: string;
    shop: Shop;
    close: () => Promise<void>;
  }) {
    this.url = parts.url;
    this.requests = parts.counter.requests;
    this.refusals = parts.counter.refusals;
    this.#arrivals = parts.arrivals;
    this.#shop = parts.shop;
    this.#close = parts.close;
  }

  static async open(options: DemoShopOptions): Promise<DemoShop> {
    const { port = 0, pages = 25, itemsPerPage = 20, seed = 500 } = options;
    const { minDelayMs = 2, maxDelayMs = 25, tooManyRequestsEvery = 60 } = options;
    const shop: Shop = {
      gate: new Gate({ seed, tooManyRequestsEvery }),
      products: makeCatalogue({ size: pages * itemsPerPage, seed }),
      pages,
      itemsPerPage,
      assets: await readAssets(),
    };
    const counter = makeCounter();
    const arrivals = new EventTarget();
    const closed = new AbortController();
    let apiCalls = 0;

    const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const visit = toVisit(shop, { target: request.url ?? '/', cookieHeader: request.headers.cookie });
      counter.requests[visit.route]++;
      arrivals.dispatchEvent(new Event('request'));
      // The answer is decided on arrival, so that the same order of requests gets the same refusals with all delays.
      const reply = answer(shop, visit);
      if (reply.status === 401) counter.refusals.unauthorized++;
      if (reply.status === 429) counter.refusals.tooManyRequests++;
      if (visit.isApi) {
        const delayMs = minDelayMs + randomAt(seed + 1, apiCalls++) * (maxDelayMs - minDelayMs);
        await delay(delayMs, undefined, { signal: closed.signal });
      }
      response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) });
      response.end(reply.body);
    };
    const server = createServer((request, response) => {
      serve(request, response).catch(() => response.destroy());
    });

    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    const close = async (): Promise<void> => {
      const ended = new Promise((resolve) => server.close(resolve));
      closed.abort();
      server.closeAllConnections();
      await ended;
    };
    const address = server.address();
    const takenPort = typeof address === 'object' && address !== null ? address.port : port;
    const url = `http://127.0.0.1:${takenPort}`;
    return new DemoShop({ counter, arrivals, url, shop, close });
  }

  /** Returns all records that a correct run gathers, in catalogue order. */
  expectedRecords(): ProductRecord[] {
    return this.#shop.products.map((product) => ({ ...product.record }));
  }

  /** Resolves when `more` further requests of a route have arrived. Rejects with the signal's reason if that aborts first. */
  async waitForRequests(
    route: Route,
    { more, signal }: { readonly more: number; readonly signal?: AbortSignal },
  ): Promise<void> {
    const wanted = this.requests[route] + more;
    while (this.requests[route] < wanted) await once(this.#arrivals, 'request', { signal });
  }

  /** Ends every connection, answered or not, and frees the port. It may be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

interface Counter {
  readonly requests: Record<Route, number>;
  readonly refusals: { unauthorized: number; tooManyRequests: number };
}

function makeCounter(): Counter {
  const pages = { welcome: 0, catalog: 0, info: 0, asset: 0, healthz: 0, unknown: 0 };
  return {
    requests: { ...pages, listing: 0, details: 0, badges: 0 },
    refusals: { unauthorized: 0, tooManyRequests: 0 },
  };
}

async function readAssets(): Promise<Shop['assets']> {
  return new Map(
    await Promise.all(
      ASSETS.map(async ({ path, file, type }) => {
        const body = await readFile(new URL(`./assets/${file}`, import.meta.url), 'utf8');
        return [path, { type, body }] as const;
      }),
    ),
  );
}
