/** Files that the browser downloads for a run. Each step has a folder of its own, so that a step that is done again leaves one copy. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';

import { delay } from '../core/abort.ts';
import { SupervisorError } from '../core/errors.ts';
import { describeSpan } from '../core/time-words.ts';

/** Chromium's name for a file that is not complete. */
const UNFINISHED = /\.crdownload$|^\.(com\.google\.Chrome|org\.chromium\.Chromium)\./;
const POLL_MS = 50;
export const DEFAULT_DOWNLOAD_TIMEOUT_MS = 60_000;

export interface DownloadOptions {
  /** How long the file may take, from the end of the work that starts it. @default 60_000 */
  readonly timeoutMs?: number;
}

/** No file came within the time limit. */
export class DownloadTimedOutError extends SupervisorError {
  readonly code = 'download-timed-out';
  readonly consequence = 'fail-step';

  constructor(timeoutMs: number, unfinished: readonly string[]) {
    const what = unfinished.length === 0 ? 'No download was begun' : 'The download was not complete';
    super(
      `${what} within ${describeSpan(timeoutMs)} after the work of ctx.download. ` +
        (unfinished.length === 0 ? 'Let the work click the link that starts it.' : 'Raise its `timeoutMs`.'),
      { data: { timeoutMs, unfinished } },
    );
  }
}

export interface DownloadParts extends DownloadOptions {
  /** The final folder of the file. */
  readonly folder: string;
  /** Has the browser put its downloads into a folder. */
  readonly setFolder: (folder: string) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Returns the absolute path of the file whose download `work` starts, once it is complete. A file of the same name is replaced. If several
 * files come, all of them are kept, and the first by name is returned.
 */
export async function download(
  work: () => unknown,
  { folder, setFolder, signal, timeoutMs = DEFAULT_DOWNLOAD_TIMEOUT_MS }: DownloadParts,
): Promise<string> {
  const incoming = path.join(folder, `.incoming-${randomBytes(4).toString('hex')}`);
  await mkdir(incoming, { recursive: true });
  try {
    await setFolder(incoming);
    await work();
    const names = await waitForFiles(incoming, { timeoutMs, signal });
    for (const name of names) await rename(path.join(incoming, name), path.join(folder, name));
    return path.join(folder, names[0] ?? '');
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

async function waitForFiles(
  folder: string,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<readonly string[]> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const names = (await readdir(folder)).sort();
    const unfinished = names.filter((name) => UNFINISHED.test(name));
    if (names.length > 0 && unfinished.length === 0) return names;
    if (performance.now() >= deadline) throw new DownloadTimedOutError(timeoutMs, unfinished);
    await delay(POLL_MS, signal);
  }
}
