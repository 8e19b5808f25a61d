/** Writes a report beside the data of a run. It replaces an earlier report, and nothing else. */
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import path from 'node:path';

import { UnfinishedFile } from '../exports/unfinished-file.ts';

/** The number of bytes that contain the mark of a report. */
const HEAD_BYTES = 2_048;
const MARK = '<meta name="generator" content="webdriver-supervisor"';

/** Returns false, and changes nothing, if there is something else at the path than an earlier report. */
export async function writeReportFile(file: string, text: string): Promise<boolean> {
  const found = await lstat(file).catch(() => undefined);
  if (found !== undefined && (await readReportHead(file)) === undefined) return false;
  const unfinished = new UnfinishedFile(path.dirname(file));
  try {
    unfinished.put(text);
    await unfinished.complete();
    await unfinished.rename(file);
    return true;
  } catch (thrown) {
    await unfinished.remove();
    throw thrown;
  }
}

/** Returns the beginning of a report that this program wrote; undefined for everything else, and if there is nothing. Follows no link. */
export async function readReportHead(file: string): Promise<string | undefined> {
  const found = await lstat(file).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  const head = buffer.toString('utf8', 0, bytesRead);
  return head.includes(MARK) ? head : undefined;
}
