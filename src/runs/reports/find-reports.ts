/** Finds the reports in the folder of a run. */
import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import path from 'node:path';

export const REPORT_FILE = 'report.html';
export const DEATHS_FOLDER = 'deaths';
const MAX_RECORDINGS = 500;
/** The `meta` element in a recording: the time of the death or failure that it shows. */
export const RECORDED_AT = 'recorded-at';
const RECORDED_AT_PATTERN = new RegExp(`<meta name="${RECORDED_AT}" content="([^"]*)"`);

/** The number of bytes that contain the mark of a report. */
const HEAD_BYTES = 2_048;
const MARK = '<meta name="generator" content="webdriver-supervisor"';

export interface FoundReports {
  /** The path of the run's report; null if there is none. */
  readonly report: string | null;
  /** The paths of the recordings of the last seconds before deaths and failures, in the order of their folders. */
  readonly recordings: readonly { readonly at: string; readonly file: string }[];
}

/** Looks for `report.html` and `deaths/N/report.html`. A folder that can't be read has none. */
export async function findReports(folder: string): Promise<FoundReports> {
  const report = path.join(folder, REPORT_FILE);
  const names = await readdir(path.join(folder, DEATHS_FOLDER)).catch(() => []);
  const numbers = names.filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(a) - Number(b));
  const recordings: { readonly at: string; readonly file: string }[] = [];
  for (const number of numbers.slice(-MAX_RECORDINGS)) {
    const file = path.join(folder, DEATHS_FOLDER, number, REPORT_FILE);
    const at = RECORDED_AT_PATTERN.exec((await readHead(file)) ?? '')?.[1];
    if (at !== undefined) recordings.push({ at, file });
  }
  return { report: (await readHead(report)) === undefined ? null : report, recordings };
}

function readHead(file: string): Promise<string | undefined> {
  return readReportHead(file).catch(() => undefined);
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
