/**
 * Looks at pages as a visitor would: does it load, has it a title, is its console clean, do its links answer? A page that fails is a
 * finding and no failed step, so one broken page doesn't hide the state of the others.
 */
import { defineAction, z, type Api, type WebDriver } from 'webdriver-supervisor';

const LINKS_PER_PAGE = 50;
const LINKS_AT_ONCE = 8;

interface PageState {
  readonly url: string;
  /** Null where the address has no statuses, such as file:. */
  readonly status: number | null;
  readonly title: string;
  readonly loadMs: number;
  /** Of the same site, without fragments, each once. */
  readonly links: readonly string[];
  /** The code on the page that the browser shows instead of one that didn't load. */
  readonly loadError: string | null;
}

interface BrokenLink {
  readonly url: string;
  readonly status: number | null;
}

export default defineAction({
  name: 'smoke',
  description: 'Checks that pages load, have a title, no console errors, and links that answer.',
  params: z.object({
    urls: z.array(z.url()).min(1).describe('the pages'),
    ignore: z.array(z.string()).default([]).describe('links that need not answer, by address or path'),
    loadSeconds: z.number().positive().max(600).default(30).describe('how long a page may take to load'),
  }),

  async prepare({ driver, params }) {
    await driver.manage().setTimeouts({ pageLoad: params.loadSeconds * 1_000 });
  },

  async run({ params, batch, screenshot, save: saveOutside }) {
    // Many pages share their header and footer: each link is asked once.
    const asked = new Map<string, Promise<number | null>>();
    const urls = [...new Set(params.urls)];

    const { results } = await batch(
      'pages',
      urls,
      async (url, { driver, api, save, signal }) => {
        const problems: string[] = [];
        let page: PageState | null = null;
        let consoleErrors: string[] | null = null;
        let brokenLinks: BrokenLink[] = [];
        try {
          await readConsole(driver); // What earlier pages wrote is not this one's.
          page = await look(driver, url);
          consoleErrors = await readConsole(driver, page.url);
          const ignored = params.ignore.map((link) => URL.parse(link, url)?.href);
          const links = page.links.filter((link) => !ignored.includes(link)).slice(0, LINKS_PER_PAGE);
          brokenLinks = await findBroken(links, { api, asked });
        } catch (error) {
          problems.push(`did not load: ${explain(error)}`);
        }
        signal.throwIfAborted();

        if (page?.loadError) problems.push(`did not load: ${page.loadError}`);
        if (page?.status && page.status >= 400) problems.push(`answered ${page.status}`);
        if (page?.title.trim() === '') problems.push('has no title');
        problems.push(...(consoleErrors ?? []).map((message) => `console error: ${message}`));
        problems.push(...brokenLinks.map((link) => `broken link: ${link.url} (${link.status ?? 'no answer'})`));
        const passed = problems.length === 0;
        const { status = null, title = null, loadMs = null } = page ?? {};
        const picture = passed
          ? null
          : await screenshot(`${urls.indexOf(url) + 1} ${new URL(url).pathname}`).catch(() => null);
        const row = { url, status, title, loadMs, consoleErrors, brokenLinks, screenshot: picture, passed, problems };
        save(row, { key: url, dataset: 'smoke' });
      },
      { key: (url) => url, concurrency: 1 },
    );

    // A page that ended its browser again and again was given up. It is reported like the others.
    for (const { key: url, ...result } of results) {
      if (result.status !== 'failed') continue;
      const unknown = {
        status: null,
        title: null,
        loadMs: null,
        consoleErrors: null,
        brokenLinks: [],
        screenshot: null,
      };
      const row = { url, ...unknown, passed: false, problems: [`could not be checked: ${result.error.message}`] };
      await saveOutside(row, { key: url, dataset: 'smoke' });
    }
  },
});

async function look(driver: WebDriver, url: string): Promise<PageState> {
  await driver.get(url);
  // A page that moves on by itself ends this wait early; what it moved to is looked at then.
  await driver.executeAsyncScript(UNTIL_QUIET).catch(() => undefined);
  return driver.executeScript<PageState>(READ_PAGE);
}

/** Errors often come with what a page fetches after its load event. Waits until nothing more has come for 150 ms, at most 3 s. */
const UNTIL_QUIET = `
  const done = arguments[0];
  let timer = setTimeout(done, 150);
  const observer = new PerformanceObserver(() => { clearTimeout(timer); timer = setTimeout(done, 150); });
  observer.observe({ type: 'resource' });
  setTimeout(done, 3000);`;

const READ_PAGE = `
  const [navigation] = performance.getEntriesByType('navigation');
  const links = [...document.links].map((link) => link.href.replace(/#.*/, ''));
  const here = location.href.replace(/#.*/, '');
  const isErrorPage = location.protocol === 'chrome-error:' && !navigation?.responseStatus;
  return {
    url: here,
    status: navigation?.responseStatus || null,
    title: document.title,
    loadMs: Math.round(navigation?.duration ?? 0),
    links: [...new Set(links)].filter((link) => link !== here && link.startsWith(location.origin + '/')),
    loadError: isErrorPage ? (document.querySelector('.error-code')?.textContent || 'the browser shows an error page') : null,
  };`;

/** Errors written since the last look; null where the browser doesn't tell, as Firefox. */
async function readConsole(driver: WebDriver, url?: string): Promise<string[] | null> {
  const entries = await driver
    .manage()
    .logs()
    .get('browser')
    .catch(() => null);
  // Not the page's doing: the icon that browsers ask for unbidden, and the page's own status, which is reported apart.
  const isNoise = (message: string) =>
    /^\S+\/favicon\.ico - Failed to load|^chrome-error:/.test(message) || message.startsWith(`${url} - Failed to load`);
  const errors = entries?.filter(({ level, message }) => level.name === 'SEVERE' && !isNoise(message));
  return errors?.map(({ message }) => message) ?? null;
}

async function findBroken(
  links: readonly string[],
  { api, asked }: { api: Api; asked: Map<string, Promise<number | null>> },
): Promise<BrokenLink[]> {
  const ask = (link: string): Promise<number | null> => {
    const answer = asked.get(link) ?? askStatus(link, api);
    asked.set(link, answer);
    return answer;
  };
  const broken: BrokenLink[] = [];
  const queue = links.values();
  const worker = async () => {
    for (const url of queue) {
      const status = await ask(url);
      if (status === null || status >= 400) broken.push({ url, status });
    }
  };
  await Promise.all(Array.from({ length: LINKS_AT_ONCE }, worker));
  return broken.toSorted((a, b) => links.indexOf(a.url) - links.indexOf(b.url));
}

async function askStatus(link: string, api: Api): Promise<number | null> {
  try {
    const head = await api.fetch(link, { method: 'HEAD', anyStatus: true });
    if (head.status !== 405 && head.status !== 501) return head.status;
    const response = await api.fetch(link, { anyStatus: true });
    await response.body?.cancel();
    return response.status;
  } catch {
    return null;
  }
}

/** The first line of what the browser said, such as "net::ERR_CONNECTION_REFUSED". */
function explain(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.replace(/^unknown error: /, '');
}
