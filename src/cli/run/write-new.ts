import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { ConfigError, toError } from '../../core/errors.ts';

/** Writes a file that is not there yet, and its folder. Throws `ConfigError` if the file exists or can't be written. */
export async function writeNew(file: string, text: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text, { flag: 'wx' });
  } catch (thrown) {
    throw new ConfigError(`${file} can't be written: ${toError(thrown).message}.`, { cause: thrown });
  }
}
