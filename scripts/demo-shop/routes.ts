import type { Product } from './catalogue.ts';
import type { Gate } from './gate.ts';
import { INFO_PAGES, NOT_FOUND_PAGE, makeCatalogPage, makeWelcomePage } from './pages.ts';

export type Route = 'welcome' | 'catalog' | 'listing' | 'details' | 'badges' | 'info' | 'asset' | 'healthz' | 'unknown';

const API_ROUTES: readonly Route[] = ['listing', 'details', 'badges'];

/** The parts of a request that the routes need. */
export interface Visit {
  readonly route: Route;
  readonly isApi: boolean;
  readonly path: string;
  /** The requested page number or sku, as text. */
  readonly argument: string;
  readonly cookieHeader: string | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Shop {
  readonly gate: Gate;
  readonly products: readonly Product[];
  readonly pages: number;
  readonly itemsPerPage: number;
  readonly assets: ReadonlyMap<string, { readonly type: string; readonly body: string }>;
}

export function toVisit(shop: Shop, request: { target: string; cookieHeader: string | undefined }): Visit {
  const url = URL.parse(request.target, 'http://127.0.0.1');
  const path = url?.pathname ?? '';
  const [, api, sku] = /^\/api\/(details|badges)\/([^/]+)$/.exec(path) ?? [];
  const route = api === 'details' || api === 'badges' ? api : toPlainRoute(shop, path);
  return {
    route,
    isApi: API_ROUTES.includes(route),
    path,
    argument: sku ?? url?.searchParams.get('page') ?? '1',
    cookieHeader: request.cookieHeader,
  };
}

function toPlainRoute(shop: Shop, path: string): Route {
  if (path === '/') return 'welcome';
  if (path === '/catalog') return 'catalog';
  if (path === '/api/listing') return 'listing';
  if (path === '/healthz') return 'healthz';
  if (INFO_PAGES.has(path)) return 'info';
  return shop.assets.has(path) ? 'asset' : 'unknown';
}

export function answer(shop: Shop, visit: Visit): Reply {
  const isKnown = shop.gate.isKnown(visit.cookieHeader);
  if (visit.isApi && !isKnown) return toJson(401, { error: 'No session: visit the welcome page first.' });
  switch (visit.route) {
    case 'welcome': {
      const page = toHtml(200, makeWelcomePage({ pages: shop.pages, products: shop.products.length }));
      return isKnown ? page : { ...page, headers: { ...page.headers, 'set-cookie': shop.gate.openSession() } };
    }
    case 'catalog': {
      const page = toPageNumber(shop, visit.argument);
      if (page === undefined) return toHtml(404, NOT_FOUND_PAGE);
      if (!isKnown) return { status: 303, headers: { location: '/' }, body: '' };
      return toHtml(200, makeCatalogPage({ page, pages: shop.pages }));
    }
    case 'listing':
      return listPage(shop, visit.argument);
    case 'details':
    case 'badges':
      return describeProduct(shop, visit);
    case 'info':
      return toHtml(200, INFO_PAGES.get(visit.path) ?? NOT_FOUND_PAGE);
    case 'asset': {
      const { type, body } = shop.assets.get(visit.path) ?? { type: 'text/plain', body: '' };
      return { status: 200, headers: { 'content-type': type, 'cache-control': 'max-age=3600' }, body };
    }
    case 'healthz':
      return toJson(200, { status: 'ok' });
    default:
      return visit.path.startsWith('/api/')
        ? toJson(404, { error: `Nothing at ${visit.path}.` })
        : toHtml(404, NOT_FOUND_PAGE);
  }
}

function listPage(shop: Shop, argument: string): Reply {
  const page = toPageNumber(shop, argument);
  if (page === undefined) return toJson(404, { error: `No page ${argument}: there are ${shop.pages}.` });
  const first = (page - 1) * shop.itemsPerPage;
  const items = shop.products.slice(first, first + shop.itemsPerPage).map((product) => product.listing);
  return toJson(200, { page, pages: shop.pages, items });
}

function describeProduct(shop: Shop, visit: Visit): Reply {
  const record = shop.products.find((product) => product.listing.sku === visit.argument)?.record;
  if (record === undefined) return toJson(404, { error: `No product ${visit.argument}.` });
  const retryAfterSeconds = shop.gate.retryAfterSeconds(visit.path);
  if (retryAfterSeconds !== undefined) {
    const reply = toJson(429, { error: 'One at a time, please.' });
    return { ...reply, headers: { ...reply.headers, 'retry-after': String(retryAfterSeconds) } };
  }
  const { badge, ...details } = record;
  return toJson(200, visit.route === 'badges' ? { sku: record.sku, badge } : details);
}

function toPageNumber(shop: Shop, text: string): number | undefined {
  const page = /^\d+$/.test(text) ? Number(text) : 0;
  return page >= 1 && page <= shop.pages ? page : undefined;
}

function toHtml(status: number, body: string): Reply {
  return { status, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }, body };
}

function toJson(status: number, value: unknown): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
    body: JSON.stringify(value),
  };
}
