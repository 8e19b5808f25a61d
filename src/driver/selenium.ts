/**
 * The parts of selenium that a program names before it has a session. All of selenium is loaded with the first session: it takes longer than
 * everything else of the library.
 */
import { createRequire } from 'node:module';

import type { until as Conditions } from 'selenium-webdriver';

export { By } from 'selenium-webdriver/lib/by.js';
export { Capabilities } from 'selenium-webdriver/lib/capabilities.js';
export { Key } from 'selenium-webdriver/lib/input.js';

const require = createRequire(import.meta.url);

/** Selenium's conditions for `driver.wait`, which are loaded when the first of them is read. */
export const until: typeof Conditions = new Proxy({} as typeof Conditions, {
  get: (_target, name) => Reflect.get(loadConditions(), name) as unknown,
  has: (_target, name) => Reflect.has(loadConditions(), name),
  ownKeys: () => Reflect.ownKeys(loadConditions()),
  getOwnPropertyDescriptor: (_target, name) => Reflect.getOwnPropertyDescriptor({ ...loadConditions() }, name),
});

function loadConditions(): typeof Conditions {
  return loadSelenium<{ readonly until: typeof Conditions }>('index.js').until;
}

/** Returns what a file of selenium exports. `Exports` is its type. */
export function loadSelenium<Exports>(file: string): Exports {
  return require(`selenium-webdriver/${file}`) as Exports;
}
