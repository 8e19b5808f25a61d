/**
 * Gathers a whole catalogue: the listing pages with the browser, because a script fills them, and each product's details and badge with
 * the shop's API, many at a time.
 */
import { By, defineAction, until, z } from 'webdriver-supervisor';

const RENDERED_WITHIN_MS = 15_000;

export default defineAction({
  name: 'gather-catalog',
  description: 'Gathers every product of a shop, with its details and badge.',
  params: z.object({
    url: z.url().describe('the shop, such as http://127.0.0.1:8080'),
    concurrency: z.int().min(1).max(100).default(20).describe('number of products that are fetched at the same time'),
    firstPage: z.int().min(1).default(1).describe('the first page of the listing'),
    everyPage: z.int().min(1).default(1).describe('2 reads every second page, 3 every third one'),
  }),

  // With three shards, each reads every third page, beginning with page 1, 2 and 3. There must be at least as many pages as shards.
  shards: ({ firstPage, everyPage }, { count = 1 }) =>
    Array.from({ length: count }, (_, index) => ({
      firstPage: firstPage + index * everyPage,
      everyPage: everyPage * count,
    })),

  baseUrl: ({ url }) => url,

  // The shop's welcome page sets the session cookie. The API calls below then send it, too.
  async prepare({ driver, params }) {
    await driver.get(new URL('/', params.url).href);
  },

  async run({ driver, params, step, batch, progress }) {
    for (let number = params.firstPage, pages = number; number <= pages; number += params.everyPage) {
      const page = await step(`page ${number}`, async () => {
        await driver.get(new URL(`/catalog?page=${number}`, params.url).href);
        await driver.wait(until.elementLocated(By.css('main[data-ready="true"]')), RENDERED_WITHIN_MS);
        const [title, skus] = await driver.executeScript<[string, string[]]>(
          'return [document.title, [...document.querySelectorAll("[data-sku]")].map((card) => card.dataset.sku)]',
        );
        return { skus, pages: Number(/ of (\d+)/.exec(title)?.[1] ?? number) };
      });
      pages = page.pages;

      await batch(
        `products of page ${number}`,
        page.skus,
        async (sku, { api, save }) => {
          const path = encodeURIComponent(sku);
          const [details, { badge }] = await Promise.all([
            api.json<object>(`/api/details/${path}`),
            api.json<{ badge: string }>(`/api/badges/${path}`),
          ]);
          save({ ...details, badge }, { key: sku });
        },
        { key: (sku) => sku, concurrency: params.concurrency },
      );
      progress(number, pages, 'pages');
    }
  },
});
