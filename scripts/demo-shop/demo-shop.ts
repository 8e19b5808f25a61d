/**
 * The demo shop: a small web shop to practise on, served from this process on 127.0.0.1.
 *
 * Laws of the room: everything comes from the seed, so a run over the shop can be checked to the last comma; nothing
 * outside is ever asked for; after `close()` no connection and no timer is left.
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
  // Asked for by a browser that shows a bare JSON answer.
  { path: '/favicon.ico', file: 'favicon.svg', type: 'image/svg+xml' },
  { path: '/assets/frame.css', file: 'frame.css', type: 'text/css; charset=utf-8' },
  { path: '/assets/goods.css', file: 'goods.css', type: 'text/css; charset=utf-8' },
  { path: '/assets/catalog.js', file: 'catalog.js', type: 'text/javascript; charset=utf-8' },
] as const;

export interface DemoShopOptions {
  /** 0 (default) takes any free port. */
  readonly port?: number;
  /** Listing pages; default 25. */
  readonly pages?: number;
  /** Default 20. */
  readonly itemsPerPage?: number;
  /** Decides goods, delays and refusals; default 500. */
  readonly seed?: number;
  /** Every API call takes between these two; defaults 2 and 25. */
  readonly minDelayMs?: number;
  readonly maxDelayMs?: number;
  /** About one detail or badge call in so many is answered 429; 0 = never; default 60. */
  readonly tooManyRequestsEvery?: number;
}

/** Opens the shop. Rejects when the port is taken. Whoever opens it closes it. */
export async function openDemoShop(options: DemoShopOptions = {}): Promise<DemoShop> {
  return DemoShop.open(options);
}

export class DemoShop {
  /** Ends without a slash: `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** How many requests arrived, by route, whatever the answer. */
  readonly requests: Readonly<Record<Route, number>>;
  /** How many of them were answered 401 and 429. */
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
      // Decided on arrival, so that the same order of requests meets the same refusals whatever the delays.
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

  /** All records that a correct run gathers, in catalogue order. */
  expectedRecords(): ProductRecord[] {
    return this.#shop.products.map((product) => ({ ...product.record }));
  }

  /** Resolves when so many more requests of a route have arrived; rejects with the signal's reason when that aborts first. */
  async waitForRequests(
    route: Route,
    { more, signal }: { readonly more: number; readonly signal?: AbortSignal },
  ): Promise<void> {
    const wanted = this.requests[route] + more;
    while (this.requests[route] < wanted) await once(this.#arrivals, 'request', { signal });
  }

  /** Ends every connection, answered or not, and frees the port. Safe to call twice. */
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
