/** Writes a report beside the data of a run. It replaces an earlier report, and nothing else. */
import { lstat } from 'node:fs/promises';
import path from 'node:path';

import { UnfinishedFile } from '../exports/unfinished-file.ts';
import { readReportHead } from './find-reports.ts';

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
