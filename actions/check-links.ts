/**
 * Crawls a site and reports its broken links. Pages are read as the server sends them, so links that only a script adds are not found. A
 * broken link is a result, not a failed step.
 */
import { defineAction, z, ApiError, HostLimits, type Api } from 'webdriver-supervisor';

interface Link {
  readonly url: string;
  /** Pages are read for further links. Resources (pictures, scripts, …) and other sites are only checked for existence. */
  readonly kind: 'page' | 'resource' | 'outside';
}

interface Finding {
  /** Null if no answer came. */
  readonly status: number | null;
  readonly reason: string;
  readonly links: readonly Link[];
}

/** The limits for other sites, which did not ask for a check. */
const OUTSIDE_CONCURRENCY = 4;
const OUTSIDE_MIN_DELAY_MS = 100;
const OUTSIDE_TIMEOUT_MS = 20_000;

export default defineAction({
  name: 'check-links',
  description: 'Crawls one site and reports its broken links.',
  params: z.object({
    url: z.url().describe('the first page; all pages of the same origin belong to the site'),
    maxPages: z.int().min(1).default(200).describe('maximum number of pages to read'),
    external: z.boolean().default(false).describe('also check links to other sites'),
    concurrency: z.int().min(1).max(50).default(8).describe('number of links that are checked at the same time'),
    delayMs: z.int().min(0).max(60_000).default(20).describe('pause between two requests to one site, in milliseconds'),
  }),

  baseUrl: ({ url }) => url,

  // Cookies that the site sets on its front page are sent with every check.
  async prepare({ driver, params }) {
    await driver.get(params.url);
  },

  async run({ params, batch, save, log }) {
    const site = new URL(params.url).origin;
    const outside = new HostLimits({
      concurrency: OUTSIDE_CONCURRENCY,
      minDelayMs: Math.max(params.delayMs, OUTSIDE_MIN_DELAY_MS),
    });
    const start = withoutFragment(new URL(params.url));
    const pages = new Set([start]);
    const checked = new Map<string, Finding>();
    const foundOn = new Map<string, string[]>();

    // One batch per click of distance from the start. The next level depends only on finished results, never on the order of the answers.
    // A run that lost its browser therefore ends with the same report as an undisturbed run.
    let level: Link[] = [{ url: start, kind: 'page' }];
    for (let clicks = 0; level.length > 0; clicks += 1) {
      const { results } = await batch(
        `links ${clicks} clicks away`,
        level,
        async (link, { api, signal, add }) => {
          const finding = await check(link, { api, signal, site, outside });
          // Only pages wait for the next level. Other links are checked at once.
          for (const found of finding.links) {
            const isWanted = found.kind === 'resource' || (found.kind === 'outside' && params.external);
            if (isWanted && !checked.has(found.url)) add(found);
          }
          return finding;
        },
        { key: ({ url }) => url, concurrency: params.concurrency, perHost: { minDelayMs: params.delayMs } },
      );

      level = [];
      for (const result of results) {
        if (result.status !== 'done') continue;
        checked.set(result.key, result.value);
        for (const { url, kind } of result.value.links) {
          foundOn.set(url, [...(foundOn.get(url) ?? []), result.key]);
          if (kind !== 'page' || pages.has(url)) continue;
          pages.add(url);
          if (pages.size <= params.maxPages) level.push({ url, kind });
        }
      }
    }

    const broken = [...checked].filter(([url, { status }]) =>
      isBroken(status, { isOutside: new URL(url).origin !== site }),
    );
    for (const [url, { status, reason }] of broken.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const sources = (foundOn.get(url) ?? []).toSorted();
      await save(
        { url, status, reason, foundOn: sources[0] ?? null, pages: sources.length },
        { key: url, dataset: 'broken-links' },
      );
    }
    if (pages.size > params.maxPages)
      log.warn('Not every page was read; raise --max-pages', { left: pages.size - params.maxPages });
    log.info(`${broken.length} of ${checked.size} links are broken`);
  },
});

interface Surroundings {
  readonly api: Api;
  readonly signal: AbortSignal;
  /** The origin of the site that is checked. */
  readonly site: string;
  /** The limits of all other sites. */
  readonly outside: HostLimits;
}

async function check(link: Link, { site, ...surroundings }: Surroundings): Promise<Finding> {
  const { signal } = surroundings;
  try {
    const response = await ask(link, surroundings);
    const { status, statusText, url } = response;
    const isReadable = response.ok && (response.headers.get('content-type') ?? '').includes('html');
    // A page that redirects to another site exists, but its links are not checked.
    const isOurs = link.kind === 'page' && new URL(url).origin === site;
    if (isReadable && isOurs)
      return { status, reason: statusText, links: findLinks(await response.text(), { url, site }) };
    await response.body?.cancel();
    return { status, reason: statusText, links: [] };
  } catch (error) {
    signal.throwIfAborted();
    return { status: null, reason: explain(error), links: [] };
  }
}

async function ask({ url, kind }: Link, { api, signal, outside }: Omit<Surroundings, 'site'>): Promise<Response> {
  // Other sites are checked without `api`, because ten failures in a row there do not mean that the checked site is down.
  const callOutside = (method: string) =>
    outside.run(
      url,
      () => fetch(url, { method, signal: AbortSignal.any([signal, AbortSignal.timeout(OUTSIDE_TIMEOUT_MS)]) }),
      { signal },
    );
  const call = (method: string) =>
    kind === 'outside' ? callOutside(method) : api.fetch(url, { method, anyStatus: true });
  if (kind === 'page') return call('GET');
  const response = await call('HEAD');
  return response.status === 405 || response.status === 501 ? call('GET') : response;
}

function isBroken(status: number | null, { isOutside }: { isOutside: boolean }): boolean {
  // Many sites answer programs like this, and browsers not.
  if (isOutside && (status === 401 || status === 403 || status === 429 || status === 999)) return false;
  return status === null || status >= 400;
}

/** Returns the links in a page's source, each once, in the order of the page. */
function findLinks(html: string, { url, site }: { url: string; site: string }): Link[] {
  // Text in a comment, script or style is not a tag.
  const markup = html.replace(/<!--[\s\S]*?-->/g, '').replace(/(<(script|style)\b[^>]*>)[\s\S]*?<\/\2\s*>/gi, '$1');
  const links = new Map<string, Link>();
  let base = url;
  for (const [, name = '', text = ''] of markup.matchAll(/<([a-z]+)\b((?:"[^"]*"|'[^']*'|[^'">])*)>/gi)) {
    const tag = name.toLowerCase();
    const attributes = readAttributes(text);
    if (tag === 'base') base = URL.parse(attributes.get('href') ?? '', url)?.href ?? base;
    // These name a host to connect to, not a resource to fetch.
    if (/preconnect|dns-prefetch/i.test(attributes.get('rel') ?? '')) continue;
    const target = attributes.get(TAGS_WITH_HREF.has(tag) ? 'href' : 'src');
    const to = target === undefined ? null : URL.parse(target, base);
    if (to === null || !/^https?:$/.test(to.protocol)) continue;
    const kind = to.origin !== site ? 'outside' : PAGE_TAGS.has(tag) ? 'page' : 'resource';
    const address = withoutFragment(to);
    if (kind === 'page' || !links.has(address)) links.set(address, { url: address, kind });
  }
  return [...links.values()];
}

const TAGS_WITH_HREF = new Set(['a', 'area', 'link']);
const PAGE_TAGS = new Set(['a', 'area', 'iframe', 'frame']);
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function readAttributes(text: string): Map<string, string> {
  const found = text.matchAll(/([^\s"'<>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>`]+))/g);
  const pairs = [...found].map(
    ([, name = '', double, single, bare]) => [name.toLowerCase(), decode(double ?? single ?? bare ?? '')] as const,
  );
  // If an attribute is repeated, HTML uses the first one.
  return new Map(pairs.toReversed());
}

function decode(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function withoutFragment(url: URL): string {
  return url.href.replace(/#.*$/, '');
}

/** Returns the reason of an error. The message of `fetch` is only "fetch failed", and its cause has the reason. */
function explain(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  return error instanceof ApiError || !(cause instanceof Error) ? message : cause.message || message;
}
