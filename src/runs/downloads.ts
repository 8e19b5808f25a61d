/** Files that the browser downloads for a run. Each step has a folder of its own, so that a step that is done again leaves one copy. */
import { createHash, randomBytes } from 'node:crypto';
import { chmod, rename, rm } from 'node:fs/promises';
import path from 'node:path';

import { ActionError } from '../core/errors.ts';
import { makeFolder, PRIVATE_FILE_MODE } from '../core/folders.ts';
import { Serial } from '../core/serial.ts';
import { toStepRowId, type StepId } from '../registry/registry.ts';
import { toFileName } from '../core/file-names.ts';
import type { DownloadAccess } from '../supervisor/supervisor.ts';
import { receiveFromNode, receiveHere } from './receive-files.ts';
import { describeStep } from './steps/step-words.ts';

const DEFAULT_TIMEOUT_MS = 60_000;

export interface DownloadOptions {
  /** The time limit for the file in milliseconds, from the end of the work that starts it. @default 60_000 */
  readonly timeoutMs?: number;
}

export interface DownloadsOptions {
  /** The folder that contains a folder for each step. */
  readonly folder: string;
  /** The browser's own download folder, for files that no call of `ctx.download` waits for. */
  readonly browserFolder: string;
  readonly access: DownloadAccess;
}

/** Waits for the downloads of one browser, one after the other, because the browser has one folder for all of them. */
export class Downloads {
  readonly #options: DownloadsOptions;
  readonly #serial = new Serial();

  constructor(options: DownloadsOptions) {
    this.#options = options;
  }

  /**
   * Returns the absolute path of the file whose download `work` starts, when it is complete in the folder of `step`. A file of that name
   * is replaced. If several files come, all of them stay, and the first by name is returned. Throws `ActionError` for an item of a batch.
   */
  async fetch(
    work: () => unknown,
    {
      step,
      signal,
      timeoutMs = DEFAULT_TIMEOUT_MS,
    }: DownloadOptions & { step: StepId | undefined; signal: AbortSignal },
  ): Promise<string> {
    const { folder, browserFolder, access } = this.#options;
    if (step !== undefined && step.batch !== null) {
      throw new ActionError(
        `ctx.download was used in ${describeStep(step)}. It waits for the run's own browser: download in steps, one after the other.`,
      );
    }
    const target = path.resolve(folder, step === undefined ? '' : toStepFolder(step));
    const incoming = path.join(target, `.incoming-${randomBytes(4).toString('hex')}`);
    return this.#serial.run(async () => {
      signal.throwIfAborted();
      const { nodeFiles } = access;
      await makeFolder(incoming);
      const arrival = {
        folder: incoming,
        work,
        timeoutMs,
        signal,
        isUnfinished: (name: string) => access.isUnfinished(name),
      };
      try {
        const names =
          nodeFiles === undefined
            ? await receiveHere(arrival, { access, browserFolder: path.resolve(browserFolder) })
            : await receiveFromNode(arrival, nodeFiles);
        for (const name of names) {
          // The browser creates the file with the mode of the umask.
          await chmod(path.join(incoming, name), PRIVATE_FILE_MODE);
          await rename(path.join(incoming, name), path.join(target, name));
        }
        return path.join(target, names[0] ?? '');
      } finally {
        await rm(incoming, { recursive: true, force: true });
      }
    });
  }
}

/** Returns a different name for each step, also if their keys differ only in characters that a file name can't have. */
function toStepFolder(id: StepId): string {
  const name = toFileName(id.key);
  if (id.within === undefined && name === id.key && name === name.toLowerCase()) return name;
  return `${name}-${createHash('sha256').update(toStepRowId(id)).digest('hex').slice(0, 8)}`;
}
