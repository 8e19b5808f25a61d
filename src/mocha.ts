/**
 * `webdriver-supervisor/mocha`: a root hook plug-in for `mocha --require webdriver-supervisor/mocha`. Each test file that uses `browser` gets
 * one browser, which is emptied before each test. A test whose browser dies is run again on a new session.
 */
import { MochaPlugin } from './mocha/plugin.ts';
import type { TestBrowser } from './mocha/test-browser.ts';

export type { TestBrowser } from './mocha/test-browser.ts';

const plugin = new MochaPlugin();

/**
 * The browser of the current test. It is started when a test, or a `beforeEach` hook of it, first uses it. Its members throw `ActionError`
 * outside of tests, such as in `before`, `after` and at the top of a file.
 *
 * @example
 * it('has a title', async () => {
 *   await browser.driver.get('https://example.com');
 *   assert.equal(await browser.driver.getTitle(), 'Example Domain');
 * });
 */
export const browser: TestBrowser = plugin.browser;

/** The hooks that Mocha runs around each test. */
export const mochaHooks: MochaPlugin['hooks'] = plugin.hooks;
