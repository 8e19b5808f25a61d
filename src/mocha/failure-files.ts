/** Stores a screenshot, the URL, the title and the console messages of each failed test in a separate folder. */
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { withDeadline } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { FileNames, toFileName } from '../core/file-names.ts';
import { makeFolder, PRIVATE_FILE_MODE } from '../core/folders.ts';
import { toPlainText } from '../core/plain-text.ts';
import { redactText } from '../core/redact.ts';
import type { WebDriver } from '../supervisor/supervisor.ts';

/** The time limit for all commands to the browser together. */
const LIMIT_MS = 10_000;
const SCREENSHOT = 'screenshot.png';
const PAGE = 'page.json';
const CONSOLE = 'console.txt';

export interface FailedTest {
  readonly title: string;
  /** The path of the test file. */
  readonly file: string | undefined;
  readonly error: Error;
}

export class FailureFiles {
  readonly #folder: () => string;
  /** The names of the folders of tests, by folder of the test file. */
  readonly #names = new Map<string, FileNames>();
  /** The folder of each test. */
  readonly #folders = new Map<string, string>();

  /** `folder` returns the folder of all failures. */
  constructor(folder: () => string) {
    this.#folder = folder;
  }

  /** Stores the files of a failed test. Returns their folder, below the folder of all failures. */
  async save(driver: WebDriver, test: FailedTest): Promise<string> {
    const folder = this.#folderOf(test);
    const { message: error } = test.error;
    await makeFolder(folder);
    // Removes files of an earlier run.
    for (const name of [SCREENSHOT, PAGE, CONSOLE]) await rm(path.join(folder, name), { force: true });
    const missing: string[] = [];
    const write = (name: string, content: string | Buffer) =>
      writeFile(path.join(folder, name), content, { mode: PRIVATE_FILE_MODE });
    const ask = async <Value>(what: string, command: () => Promise<Value>): Promise<Value | null> => {
      try {
        return await command().catch((thrown: unknown) => {
          // The first command to a page with an alert closes the alert, and fails.
          if (toError(thrown).name !== 'UnexpectedAlertOpenError') throw thrown;
          missing.push(`an alert: ${toError(thrown).message}`);
          return command();
        });
      } catch (thrown) {
        missing.push(`${what}: ${toError(thrown).message}`);
        return null;
      }
    };
    const saving = async () => {
      const url = await ask('the URL', () => driver.getCurrentUrl());
      const title = await ask('the title', () => driver.getTitle());
      const screenshot = await ask('the screenshot', () => driver.takeScreenshot());
      if (screenshot !== null) await write(SCREENSHOT, Buffer.from(screenshot, 'base64'));
      const messages = await ask('the console', () => driver.manage().logs().get('browser'));
      if (messages !== null) {
        const lines = messages.map(({ level, message }) => `${level.name} ${toPlainText(redactText(message))}\n`);
        await write(CONSOLE, lines.join(''));
      }
      const page = { test: test.title, file: test.file, error, url, title, missing };
      await write(PAGE, redactText(`${JSON.stringify(page, undefined, 2)}\n`));
    };
    await withDeadline(saving(), LIMIT_MS, 'Storing the files of the failed test');
    return folder;
  }

  /** Returns the folder of a test. It is the same for each failure of a test, and different for each test. */
  #folderOf({ title, file = 'unknown' }: FailedTest): string {
    const parts = path.relative('', file).split(path.sep);
    const parent = path.join(this.#folder(), ...parts.map((part) => (part === '..' ? 'outside' : toFileName(part))));
    const names = this.#names.get(parent) ?? new FileNames();
    this.#names.set(parent, names);
    const key = `${parent}\n${title}`;
    const folder = this.#folders.get(key) ?? path.join(parent, names.nameOf(title));
    this.#folders.set(key, folder);
    return folder;
  }
}
