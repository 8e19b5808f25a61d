/**
 * A file in which the state of a browser is stored repeatedly: either a file that the user named, or the private file of a run that can be
 * resumed. It contains secrets, so only its user can read it. A private file is removed when its run completes or when it is too old.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { toError } from '../../core/errors.ts';
import { makeFolder, PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from '../../core/folders.ts';
import type { Log } from '../../core/log.ts';

/** The time after which a stored state is of no use, because logins have expired by then. */
const MAX_AGE_MS = 24 * 60 * 60 * 1_000;
const MIN_INTERVAL_MS = 1_000;
/** The name of a private file, or of the temporary file of a killed program. */
const OWN_FILE = /^[\w-]+\.json(\.\d+\.tmp)?$/;

export interface StateFileOptions {
  readonly file: string;
  /** True if this package created the file in a folder of its own, which then only its user may read. */
  readonly isPrivate: boolean;
  readonly log: Log;
}

export class StateFile {
  readonly path: string;
  readonly #options: StateFileOptions;
  #text: (() => string) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #writtenAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StateFileOptions) {
    this.#options = options;
    this.path = options.file;
  }

  /** Returns undefined if there is no file. */
  async read(): Promise<string | undefined> {
    try {
      return await readFile(this.path, 'utf8');
    } catch (thrown) {
      if ((toError(thrown) as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw thrown;
    }
  }

  /**
   * Stores the result of `text`, which is called when the file is written: at once with `isUrgent`, otherwise at most once a second.
   * Resolves when an urgent text is stored. A failure is logged and has no other effect.
   */
  async write(text: () => string, { isUrgent }: { readonly isUrgent: boolean }): Promise<void> {
    this.#text = text;
    if (isUrgent) return this.flush();
    const waitMs = Math.max(0, this.#writtenAt + MIN_INTERVAL_MS - performance.now());
    this.#timer ??= setTimeout(() => void this.flush(), waitMs).unref();
  }

  /** Stores the text that is waiting, if there is one. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#writeNow());
    await this.#writing;
  }

  /** Removes the file, and drops a text that is waiting. */
  async remove(): Promise<void> {
    this.#text = undefined;
    await this.flush();
    await rm(this.path, { force: true });
  }

  async #writeNow(): Promise<void> {
    const text = this.#text;
    if (text === undefined) return;
    this.#text = undefined;
    this.#writtenAt = performance.now();
    const { isPrivate, log } = this.#options;
    const temporary = `${this.path}.${process.pid}.tmp`;
    try {
      await makeFolder(path.dirname(this.path));
      if (isPrivate) await chmod(path.dirname(this.path), PRIVATE_FOLDER_MODE);
      // A file with that name may belong to another user, so it is created anew.
      await rm(temporary, { force: true });
      await writeFile(temporary, text(), { mode: PRIVATE_FILE_MODE, flag: 'wx' });
      await rename(temporary, this.path);
    } catch (thrown) {
      await rm(temporary, { force: true }).catch(() => undefined);
      log.warn('The state of the browser could not be stored', { file: this.path, reason: toError(thrown).message });
    }
  }
}

/** Removes private files of runs that can no longer use them. Never throws, because another program may remove the same files. */
export function removeOldStateFiles(folder: string): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    // The folder does not exist yet.
    return;
  }
  for (const name of names.filter((one) => OWN_FILE.test(one))) {
    const file = path.join(folder, name);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats?.isFile() === true && Date.now() - stats.mtimeMs > MAX_AGE_MS) rmSync(file, { force: true });
  }
}
