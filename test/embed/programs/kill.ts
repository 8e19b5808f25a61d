import type { WebDriver } from 'webdriver-supervisor';

/** Kills the browser of a session by its process id. */
export async function killBrowser(driver: WebDriver): Promise<void> {
  const capabilities = await driver.getCapabilities();
  process.kill(Number(capabilities.get('goog:processID')), 'SIGKILL');
}

/** The sessions of one test file. */
export const cartSessions = new Set<string>();

/** The address of the site that the tests work on. */
export function siteUrl(path: string): string {
  return new URL(path, process.env['SITE_URL']).href;
}
