/** Saves a screenshot and a PDF of each page in the run's folder. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { defineAction, z, type WebDriver } from 'webdriver-supervisor';

export default defineAction({
  name: 'snapshot',
  description: 'Takes a screenshot and a PDF of each page of a list.',
  params: z.object({
    urls: z.array(z.url()).min(1).describe('the pages'),
    width: z.int().min(100).max(10_000).default(1280).describe('width of the window, in CSS pixels'),
    height: z.int().min(100).max(10_000).default(900).describe('height of the window, in CSS pixels'),
  }),

  async prepare({ driver, params: { width, height } }) {
    await driver.manage().window().setRect({ x: 0, y: 0, width, height });
  },

  async run({ params, batch, screenshot }) {
    const urls = [...new Set(params.urls)];
    // The pages share one window and are visited one after the other. They are a batch because a failed page doesn't stop the others.
    await batch(
      'pages',
      urls,
      async (url, { driver, save }) => {
        await driver.get(url);
        const title = await driver.getTitle();
        // The name contains the number of the page, because two addresses may differ only in characters that a file name can't have.
        const picture = await screenshot(`${urls.indexOf(url) + 1} ${url.replace(/^https?:\/\//, '').slice(0, 80)}`);
        const pdf = picture.replace(/\.png$/, '.pdf');
        await writeFile(pdf, await printPage(driver), 'base64');
        save({ url, title, screenshot: path.normalize(picture), pdf: path.normalize(pdf) }, { key: url });
      },
      { key: (url) => url, concurrency: 1 },
    );
  },
});

/** Returns the PDF as Base64. The types of selenium are wrong: `printPage` needs no option and returns a text. */
async function printPage(driver: WebDriver): Promise<string> {
  const print: (options: { background: boolean }) => unknown = driver.printPage.bind(driver) as never;
  return String(await print({ background: true }));
}
