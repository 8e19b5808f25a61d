/**
 * Lets `sendKeys(path)` upload a file to the machine of the browser, as selenium's `remote.FileDetector` does. That one takes every text for a
 * path, so that a word typed into a field is replaced if a file of that name exists here. This one takes absolute paths only.
 */
import { statSync } from 'node:fs';
import path from 'node:path';

import type { Capabilities, FileDetector, WebDriver } from 'selenium-webdriver';

import { isOnGrid } from './on-grid.ts';
import { loadSelenium } from './selenium.ts';

/** Installs the detector if a Grid has started the session. A driver without a Grid has no command for uploads, and mostly runs on this machine. */
export function uploadFiles(driver: WebDriver, capabilities: Capabilities): void {
  if (!isOnGrid(capabilities.keys())) return;
  const { FileDetector: Detector } = loadSelenium<{ readonly FileDetector: new () => FileDetector }>('remote/index.js');
  const uploader = new Detector();
  driver.setFileDetector({
    handleFile: async (to: WebDriver, text: string) => {
      const files = text.split('\n');
      if (!files.every(isFile)) return text;
      const there: string[] = [];
      // A session runs one command at a time.
      for (const file of files) there.push(await uploader.handleFile(to, file));
      return there.join('\n');
    },
  });
}

function isFile(text: string): boolean {
  if (!path.isAbsolute(text)) return false;
  try {
    return statSync(text).isFile();
  } catch {
    // No file has this name, or the text is too long for one.
    return false;
  }
}
