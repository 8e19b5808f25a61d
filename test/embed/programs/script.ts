import { supervise } from 'webdriver-supervisor';
import { killBrowser, siteUrl } from './shared.ts';

const title = await supervise(
  async ({ driver, attempt }) => {
    console.log(await driver.getCurrentUrl());
    await driver.get(siteUrl('/ok'));
    if (process.argv[2] === 'wait') {
      await new Promise((resolve) => {
        setTimeout(resolve, 60_000);
      });
    }
    if (attempt === 1) await killBrowser(driver);
    return `${await driver.getTitle()} at attempt ${attempt}`;
  },
  { onRetry: ({ death, attempt }) => console.log(`${death.cause} before attempt ${attempt}`) },
);
console.log(title);
