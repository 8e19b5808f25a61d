/**
 * Reads and formats the user's file of browser state, in the format of Playwright's `storageState`. A login that it contains is used by
 * later sessions.
 */
import { readFile } from 'node:fs/promises';

import { ConfigError, toError } from '../../core/errors.ts';
import { EMPTY_STATE, parseStorageState, toStorageState, type BrowserState } from '../../driver/driver.ts';

export interface SessionState {
  readonly file: string;
  readonly state: BrowserState;
}

/**
 * Reads the file. A file that does not exist counts as an empty state. Throws `ConfigError` if the file can't be read or has another
 * content.
 */
export async function readSessionState(file: string): Promise<SessionState> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    const error: NodeJS.ErrnoException = toError(thrown);
    if (error.code === 'ENOENT') return { file, state: EMPTY_STATE };
    throw new ConfigError(`The file of browser state ${file} can't be read: ${error.message}.`, { cause: error });
  }
  return { file, state: parseStorageState(text, file) };
}

/** Returns the text of such a file: the JSON that Playwright writes, indented. */
export function formatSessionState(state: BrowserState): string {
  return `${JSON.stringify(toStorageState(state), null, 2)}\n`;
}
