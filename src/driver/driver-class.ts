/** Selenium's driver class of a browser. Selenium is loaded when a class is first asked for. */
import type chrome from 'selenium-webdriver/chrome.js';

import { loadSelenium } from './selenium.ts';

export function isChromium(browserName: string): boolean {
  return /chrom|edge/i.test(browserName);
}

export function isEdge(browserName: string): boolean {
  return /edge/i.test(browserName);
}

/** Selenium's class for drivers of a browser of Chromium's family; undefined for other browsers. */
export function driverClassOf(browserName: string): typeof chrome.Driver | undefined {
  if (!isChromium(browserName)) return undefined;
  // The types of Edge's driver omit that it accepts an executor, as Chrome's does.
  return loadSelenium<typeof chrome>(isEdge(browserName) ? 'edge.js' : 'chrome.js').Driver;
}
