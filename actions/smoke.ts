/**
 * Checks in a browser that pages load and have a title, write no console errors, open no dialogs, and have links that answer. A bad page
 * is a result, not a failed step, so that the other pages are checked too.
 */
import { existsSync } from 'node:fs';

import { defineAction, z, type Api, type WebDriver } from 'webdriver-supervisor';

const MAX_LINKS_PER_PAGE = 50;
const MAX_CONCURRENT_LINKS = 8;
const MAX_DIALOGS = 5;
/** The beginnings of Chromium's codes: https://source.chromium.org/chromium/chromium/src/+/main:net/base/net_error_list.h */
const LOAD_ERRORS: Readonly<Record<string, string>> = {
  ERR_NAME_NOT_RESOLVED: 'there is no host of that name',
  ERR_CONNECTION_REFUSED: 'the server does not accept connections',
  ERR_CONNECTION_TIMED_OUT: 'the server does not answer',
  ERR_CONNECTION_RESET: 'the server closed the connection',
  ERR_EMPTY_RESPONSE: 'the server closed the connection without an answer',
  ERR_INTERNET_DISCONNECTED: 'this machine has no network',
  ERR_CERT: 'the browser does not trust the certificate of the server',
  ERR_SSL: 'the server offers no secure connection',
  ERR_TOO_MANY_REDIRECTS: 'the server redirects in a circle',
  ERR_FILE_NOT_FOUND: 'there is no such file',
};

interface PageState {
  readonly url: string;
  /** Null if the protocol has no statuses, such as file:. */
  readonly status: number | null;
  readonly title: string;
  readonly loadMs: number;
  /** The links to the same site, without fragments, each once. */
  readonly links: readonly string[];
  /** The error code on the browser's error page; null if the page has loaded. */
  readonly loadError: string | null;
}

interface BrokenLink {
  readonly url: string;
  readonly status: number | null;
}

/** The result for one page: a row of the dataset `smoke`. */
interface Result {
  readonly url: string;
  readonly status: number | null;
  readonly title: string | null;
  readonly loadMs: number | null;
  readonly consoleErrors: readonly string[] | null;
  readonly brokenLinks: readonly BrokenLink[];
  /** The texts of the dialogs that the page opened, each once. */
  readonly dialogs: readonly string[];
  readonly screenshot: string | null;
  readonly passed: boolean;
  readonly problems: readonly string[];
  /** The number of times that the page was checked. */
  readonly attempts: number;
}

const UNKNOWN_PAGE = {
  status: null,
  title: null,
  loadMs: null,
  consoleErrors: null,
  brokenLinks: [],
  dialogs: [],
  screenshot: null,
} as const;

export default defineAction({
  name: 'smoke',
  description: 'Checks that pages load and have a title, without console errors, dialogs and broken links.',
  params: z.object({
    urls: z.array(z.url()).min(1).describe('the pages'),
    ignore: z.array(z.string()).default([]).describe('links that need not answer, by address or path'),
    loadSeconds: z.number().positive().max(600).default(30).describe('time limit for loading a page, in seconds'),
    retries: z.number().int().min(0).max(10).default(0).describe('maximum number of further checks of a failed page'),
    screenshots: z.enum(['failed', 'all']).default('failed').describe('the pages of which a screenshot is saved'),
  }),

  async prepare({ driver, params }) {
    await driver.manage().setTimeouts({ pageLoad: params.loadSeconds * 1_000 });
  },

  async run({ params, batch, screenshot, save: saveOutside }) {
    // Many pages share the links of their header and footer, so each link is requested only once.
    const asked = new Map<string, Promise<number | null>>();
    const urls = [...new Set(params.urls)];

    const { results } = await batch(
      'pages',
      urls,
      async (url, { driver, api, save, signal }) => {
        for (let attempt = 1; ; attempt += 1) {
          const result = await checkPage(url, { driver, api, asked, attempt, params });
          signal.throwIfAborted();
          if (!result.passed && attempt <= params.retries) continue;
          const hasScreenshot = !result.passed || params.screenshots === 'all';
          const name = `${urls.indexOf(url) + 1} ${new URL(url).pathname}`;
          const picture = hasScreenshot ? await screenshot(name).catch(() => null) : null;
          save({ ...result, screenshot: picture, attempts: attempt }, { key: url, dataset: 'smoke' });
          return;
        }
      },
      { key: (url) => url, concurrency: 1 },
    );

    // A page whose browser died several times is given up by the batch. The page is reported like the others.
    for (const { key: url, ...result } of results) {
      if (result.status !== 'failed') continue;
      const problems = [`could not be checked: ${result.error.message}`];
      const row: Result = { url, ...UNKNOWN_PAGE, passed: false, problems, attempts: 1 };
      await saveOutside({ ...row }, { key: url, dataset: 'smoke' });
    }
  },
});

interface CheckOptions {
  readonly driver: WebDriver;
  readonly api: Api;
  /** The statuses of links, which are requested only once for all pages. */
  readonly asked: Map<string, Promise<number | null>>;
  /** The number of the attempt, starting at 1. */
  readonly attempt: number;
  readonly params: { readonly ignore: readonly string[]; readonly loadSeconds: number };
}

async function checkPage(
  url: string,
  { driver, api, asked, attempt, params }: CheckOptions,
): Promise<Omit<Result, 'attempts'>> {
  const problems: string[] = [];
  const dialogs: string[] = [];
  let page: PageState | null = null;
  let consoleErrors: string[] | null = null;
  let brokenLinks: BrokenLink[] = [];
  try {
    // Removes the messages of earlier pages.
    await readConsole(driver);
    page = await loadPage(driver, url, dialogs);
    consoleErrors = await readConsole(driver, page.url);
    const ignored = params.ignore.map((link) => URL.parse(link, url)?.href);
    const links = page.links.filter((link) => !ignored.includes(link)).slice(0, MAX_LINKS_PER_PAGE);
    brokenLinks = await findBroken(links, { api, asked, attempt });
  } catch (error) {
    problems.push(`did not load${explain(error, params.loadSeconds)}`);
  }

  // While a dialog is being closed, another command can report it once more.
  const texts = [...new Set(dialogs)];
  if (page?.loadError) problems.push(`did not load: ${explainCode(page.loadError)}`);
  if (page?.status && page.status >= 400) problems.push(`answered ${page.status}`);
  if (page?.title.trim() === '') problems.push('has no title');
  problems.push(...texts.map((text) => `opened a dialog: "${text}"`));
  problems.push(...(consoleErrors ?? []).map((message) => `console error: ${message}`));
  problems.push(...brokenLinks.map((link) => `broken link: ${link.url} (${link.status ?? 'no answer'})`));
  const { status, title, loadMs } = page ?? UNKNOWN_PAGE;
  const passed = problems.length === 0;
  return { url, status, title, loadMs, consoleErrors, brokenLinks, dialogs: texts, screenshot: null, passed, problems };
}

async function loadPage(driver: WebDriver, url: string, dialogs: string[]): Promise<PageState> {
  await driver.get(url).catch((error: unknown) => addDialog(error, dialogs));
  // A page that redirects by itself ends this wait early. The page that it opens is then checked.
  await driver.executeAsyncScript(UNTIL_QUIET).catch((error: unknown) => {
    if (isDialog(error)) addDialog(error, dialogs);
  });
  for (;;) {
    try {
      return await driver.executeScript<PageState>(READ_PAGE);
    } catch (error) {
      addDialog(error, dialogs);
    }
  }
}

/**
 * Adds the text of a dialog to `dialogs`. The browser has dismissed the dialog, and the command has failed with `error`. Throws `error` if
 * it has another reason, or if the page has opened too many dialogs.
 */
function addDialog(error: unknown, dialogs: string[]): void {
  if (!isDialog(error) || dialogs.length === MAX_DIALOGS) throw error;
  dialogs.push(/\{Alert text : (.*)\}/s.exec(error.message)?.[1] ?? '');
}

function isDialog(error: unknown): error is Error {
  return error instanceof Error && error.name === 'UnexpectedAlertOpenError';
}

/** Waits until the page has fetched nothing for 150 ms, or for 3 s. Requests after the load event are a frequent cause of errors. */
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

/** Returns the console errors since the last call; null if the browser has no log of the console, as in Firefox. */
async function readConsole(driver: WebDriver, url?: string): Promise<string[] | null> {
  const entries = await driver
    .manage()
    .logs()
    .get('browser')
    .catch(() => null);
  // Ignores the icon that browsers request by themselves, error pages, and the page's own status, which is reported separately.
  const isNoise = (message: string) =>
    /^\S+\/favicon\.ico - Failed to load|^chrome-error:/.test(message) || message.startsWith(`${url} - Failed to load`);
  const errors = entries?.filter(({ level, message }) => level.name === 'SEVERE' && !isNoise(message));
  return errors?.map(({ message }) => message) ?? null;
}

async function findBroken(
  links: readonly string[],
  { api, asked, attempt }: Pick<CheckOptions, 'api' | 'asked' | 'attempt'>,
): Promise<BrokenLink[]> {
  const ask = (link: string): Promise<number | null> => {
    // A link may be broken only temporarily, so a page that is checked again requests its links again.
    if (attempt > 1) return askStatus(link, api);
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
  await Promise.all(Array.from({ length: MAX_CONCURRENT_LINKS }, worker));
  return broken.toSorted((a, b) => links.indexOf(a.url) - links.indexOf(b.url));
}

async function askStatus(link: string, api: Api): Promise<number | null> {
  // A page that was opened from a file links to files.
  if (link.startsWith('file:')) return existsSync(new URL(link)) ? 200 : 404;
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

/** Returns the reason why a page did not load, as the end of a sentence. */
function explain(error: unknown, loadSeconds: number): string {
  const { name = '', message = String(error) } = error instanceof Error ? error : {};
  if (name === 'TimeoutError') return ` within ${loadSeconds} s`;
  const [line = ''] = message.split('\n');
  return `: ${explainCode(line.replace(/^unknown error: /, ''))}`;
}

function explainCode(text: string): string {
  const code = /ERR_[A-Z_]+/.exec(text)?.[0] ?? '';
  const reason = Object.entries(LOAD_ERRORS).find(([start]) => code.startsWith(start))?.[1];
  return reason === undefined ? text : `${reason} (${code})`;
}
