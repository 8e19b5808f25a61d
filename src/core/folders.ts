import { existsSync, mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';

import { toError } from './errors.ts';

/**
 * Modes of the folders and files that this program creates: only its user can read scraped data and browser states. A umask can only remove
 * further permissions.
 */
export const PRIVATE_FOLDER_MODE = 0o700;
export const PRIVATE_FILE_MODE = 0o600;

export interface FolderOptions {
  /** The mode of new folders; existing folders do not change. @default PRIVATE_FOLDER_MODE */
  readonly mode?: number;
}

/**
 * Creates a folder and its parents. `mkdir` with `recursive` is not used, because it never returns below folders that accept none, such as
 * /proc (Node 24).
 */
export async function makeFolder(folder: string, options: FolderOptions = {}): Promise<void> {
  try {
    await mkdir(folder, { mode: PRIVATE_FOLDER_MODE, ...options });
  } catch (thrown) {
    const { code } = toError(thrown) as NodeJS.ErrnoException;
    const parent = path.dirname(folder);
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return;
    if (code !== 'ENOENT' || parent === folder || (await stat(parent).catch(() => undefined)) !== undefined)
      throw thrown;
    await makeFolder(parent, options);
    // Another process may have created the folder in the meantime.
    await makeFolder(folder, options);
  }
}

/** Does the same as {@link makeFolder}, synchronously. */
export function makeFolderSync(folder: string): void {
  try {
    mkdirSync(folder, { mode: PRIVATE_FOLDER_MODE });
  } catch (thrown) {
    const { code } = toError(thrown) as NodeJS.ErrnoException;
    const parent = path.dirname(folder);
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return;
    if (code !== 'ENOENT' || parent === folder || existsSync(parent)) throw thrown;
    makeFolderSync(parent);
    // Another process may have created the folder in the meantime.
    makeFolderSync(folder);
  }
}
