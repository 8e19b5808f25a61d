import type { WebDriver } from 'webdriver-supervisor';

/** Kills the browser of a session by its process id. */
export async function killBrowser(driver: WebDriver): Promise<void> {
  const capabilities = await driver.getCapabilities();
  process.kill(Number(capabilities.get('goog:processID')), 'SIGKILL');
}

/** The ids of the sessions that `cart.spec.ts` used. All test files run in one process. */
export const cartSessions = new Set<string>();

/** Returns the URL of a path on the site of the tests. */
export function siteUrl(path: string): string {
  return new URL(path, process.env['SITE_URL']).href;
}
