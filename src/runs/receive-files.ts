/** Waits for the files of one call of `ctx.download`: in a folder of this machine, or on the node of a Selenium Grid. */
import { readdir } from 'node:fs/promises';

import { anySignal, delay } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { DownloadsUnavailableError, type DownloadAccess, type NodeFiles } from '../supervisor/supervisor.ts';
import { DownloadTimedOutError } from './errors.ts';

const POLL_MS = 50;
/** Each question to a Grid passes its hub and its node. The pause is doubled after each failure. */
const NODE_POLL_MS = 100;
const MAX_NODE_PAUSE_MS = 2_000;

export interface Arrival {
  /** An empty folder of this machine, which receives the files. */
  readonly folder: string;
  /** Starts the download. */
  readonly work: () => unknown;
  /** The time limit in milliseconds, from the end of `work`. */
  readonly timeoutMs: number;
  readonly isUnfinished: (name: string) => boolean;
  readonly signal: AbortSignal;
}

/** Lets the browser save the files in the folder. Returns their names when all are complete, sorted. */
export async function receiveHere(
  { folder, work, timeoutMs, isUnfinished, signal }: Arrival,
  { access, browserFolder }: { readonly access: DownloadAccess; readonly browserFolder: string },
): Promise<readonly string[]> {
  try {
    await access.setFolder(folder);
    await work();
    const endAt = performance.now() + timeoutMs;
    for (;;) {
      const names = (await readdir(folder)).sort();
      const unfinished = names.filter(isUnfinished);
      if (names.length > 0 && unfinished.length === 0) return names;
      if (performance.now() >= endAt) throw new DownloadTimedOutError(timeoutMs, unfinished);
      await delay(POLL_MS, signal);
    }
  } finally {
    // If the browser has died, the failure does not matter.
    await Promise.allSettled([access.setFolder(browserFolder)]);
  }
}

/** Copies the files that are new on the node into the folder when all are complete. Returns their names, sorted. */
export async function receiveFromNode(
  { folder, work, timeoutMs, isUnfinished, signal }: Arrival,
  files: NodeFiles,
): Promise<readonly string[]> {
  const earlier = await untilAnswered(timeoutMs, signal, (limit) => files.list(limit));
  // A download that is under way gets another name when it is complete.
  const known = new Set(earlier.flatMap((name) => [name, name.replace(/\.crdownload$/, '')]));
  try {
    await work();
    return await untilAnswered(timeoutMs, signal, async (limit, onUnfinished) => {
      const names = (await files.list(limit)).filter((name) => !known.has(name)).sort();
      const unfinished = names.filter(isUnfinished);
      // Until a file is copied, it is not complete here.
      onUnfinished(unfinished.length > 0 ? unfinished : names);
      if (names.length === 0 || unfinished.length > 0) return undefined;
      for (const name of names) await files.copy(name, folder, { signal: limit });
      return names;
    });
  } finally {
    // The browser numbers the name of a file that is there already. Files that the action itself has left are not removed.
    if (known.size === 0) await Promise.allSettled([files.clear(signal)]);
  }
}

/**
 * Asks a Grid until it gives an answer other than undefined. A failure is passing, because a hub may restart; if the session is lost, its
 * death aborts `signal`. Throws `DownloadTimedOutError` after the time limit.
 */
async function untilAnswered<Answer>(
  timeoutMs: number,
  signal: AbortSignal,
  ask: (limit: AbortSignal, onUnfinished: (names: readonly string[]) => void) => Promise<Answer | undefined>,
): Promise<Answer> {
  const endAt = performance.now() + timeoutMs;
  const limit = anySignal(signal, AbortSignal.timeout(timeoutMs));
  let unfinished: readonly string[] = [];
  let failure: Error | undefined;
  for (let pauseMs = NODE_POLL_MS; ;) {
    try {
      const answer = await ask(limit, (names) => (unfinished = names));
      if (answer !== undefined) return answer;
      failure = undefined;
      pauseMs = NODE_POLL_MS;
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof DownloadsUnavailableError) throw thrown;
      if (!limit.aborted) failure = toError(thrown);
      pauseMs = Math.min(2 * pauseMs, MAX_NODE_PAUSE_MS);
    }
    if (limit.aborted || performance.now() >= endAt) throw new DownloadTimedOutError(timeoutMs, unfinished, failure);
    await delay(pauseMs, signal);
  }
}
