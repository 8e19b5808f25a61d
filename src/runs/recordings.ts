/**
 * The black box of a run: writes the last seconds before each death and each failed step to `deaths/N/recording.json` in the run's folder, and
 * the same as a page beside it.
 * Writing happens beside the run: it delays no recovery, and its failure is one warning in the log.
 */
import { lstat, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';

import type { Death } from '../model/death.ts';
import type { Recording } from '../model/recording.ts';
import type { RecordMode } from '../config/config.ts';
import { settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { makeFolder, PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from '../core/folders.ts';
import type { Log } from '../core/log.ts';
import { deathOf, Recorder, toRecording, type RecordedSeconds } from '../supervisor/supervisor.ts';
import { temporaryPath } from '../upkeep/upkeep.ts';
import { DEATHS_FOLDER, REPORT_FILE } from './reports/find-reports.ts';
import { renderRecording } from './reports/recording-page.ts';
import type { StepFailure } from './steps/step-failures.ts';
import { describeStep } from './steps/step-words.ts';

const RECORDING_FILE = 'recording.json';
/** The maximum number of recordings that one process writes for a run. */
const MAX_RECORDINGS = 20;
/** Failed steps can be many and alike, so they leave half of the recordings for deaths. */
const MAX_FAILURES = 10;
/** The delay of a page: within it a recovery has ended, unless a browser has to start. */
const PAGE_DELAY_MS = 2_000;
/** The time limit for the recordings that are still being written at the end of a run. */
const CLOSE_LIMIT_MS = 5_000;

export interface RecordingsOptions {
  readonly record: RecordMode;
  readonly folder: string;
  readonly writesOutput: boolean;
  readonly log: Log;
}

/** The reason of a recording; both are null at the end of a run. */
interface Reason {
  readonly death?: Death;
  readonly failure?: NonNullable<Recording['failure']>;
}

export class Recordings {
  readonly #options: RecordingsOptions;
  readonly #recorders: Recorder[] = [];
  /** Errors of failed steps. A step that contains another one fails with the same error. */
  readonly #recorded = new WeakSet<Error>();
  #sessions = 0;
  #count = 0;
  #failures = 0;
  #left = 0;
  #hasWarned = false;
  #writing: Promise<void> = Promise.resolve();
  #pages: Promise<void> = Promise.resolve();
  /** Aborts at the end of the run. */
  readonly #closing = new AbortController();

  constructor(options: RecordingsOptions) {
    this.#options = options;
  }

  /** Makes the recorder of one supervisor; undefined if the run records nothing. */
  makeRecorder(): Recorder | undefined {
    if (this.#options.record === 'off' || !this.#options.writesOutput) return undefined;
    const recorder = new Recorder({ onSession: () => (this.#sessions += 1) });
    this.#recorders.push(recorder);
    return recorder;
  }

  /** Writes the last seconds of the session that `recorder` has recorded. Called when its death is declared. */
  onDead(death: Death, recorder: Recorder | undefined): void {
    this.#write(recorder?.take(), { death });
  }

  /** Writes the last seconds before the failure of a step, if its session is alive. */
  readonly onFailure = ({ id, error, session }: StepFailure): void => {
    const recorder = this.#recorders.find(({ signal }) => signal !== undefined && signal === session);
    if (recorder === undefined || session === undefined || deathOf(session) !== undefined) return;
    if (this.#recorded.has(error)) return;
    this.#recorded.add(error);
    this.#failures += 1;
    if (this.#failures > MAX_FAILURES) this.#left += 1;
    else this.#write(recorder.take(), { failure: { step: describeStep(id), message: error.message } });
  };

  /** Resolves when everything is written, or after a time limit. Called at the end of the run, when its sessions have ended. */
  async close(): Promise<void> {
    const { record, log } = this.#options;
    for (const recorder of record === 'always' ? this.#recorders : [])
      if (recorder.signal !== undefined && deathOf(recorder.signal) === undefined) this.#write(recorder.take(), {});
    if (this.#left > 0)
      log.info(
        `${this.#left} more deaths and failed steps were not recorded: a process records at most ${MAX_RECORDINGS} of a run, ${MAX_FAILURES} of them failed steps`,
      );
    this.#closing.abort();
    const written = this.#writing.then(() => this.#pages);
    if (!(await settlesWithin(written, CLOSE_LIMIT_MS)))
      this.#warn('they were not written within 5 s of the end of the run');
  }

  #write(taken: RecordedSeconds | undefined, reason: Reason): void {
    if (taken === undefined) return;
    if (this.#count === MAX_RECORDINGS) {
      this.#left += 1;
      return;
    }
    this.#count += 1;
    this.#writing = this.#writing
      .then(() => this.#store(taken, reason))
      .catch((thrown: unknown) => this.#warn(toError(thrown).message));
  }

  async #store(taken: RecordedSeconds, reason: Reason): Promise<void> {
    // The recovery from a death begins first.
    await nextTurn();
    const folder = await makeNextFolder(path.join(this.#options.folder, DEATHS_FOLDER));
    const recording = toRecording(taken, reason);
    try {
      await putFile(path.join(folder, RECORDING_FILE), `${JSON.stringify(recording)}\n`);
    } catch (thrown) {
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    }
    this.#pages = this.#pages
      .then(() => this.#writePage(folder, recording))
      .catch((thrown: unknown) => this.#warn(toError(thrown).message));
  }

  /** Writes the page of a recording after the recovery, because to make it takes up to 100 ms of our thread. */
  async #writePage(folder: string, recording: Recording): Promise<void> {
    // Only the end of the run rejects the wait; the page is then written at once.
    await wait(PAGE_DELAY_MS, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined);
    await putFile(path.join(folder, REPORT_FILE), renderRecording(recording));
  }

  #warn(reason: string): void {
    if (!this.#hasWarned)
      this.#options.log.warn('Recordings could not be written; the run is not affected', { reason });
    this.#hasWarned = true;
  }
}

/** Writes a file under a temporary name, then renames it. */
async function putFile(file: string, text: string): Promise<void> {
  const unfinished = temporaryPath(path.dirname(file));
  try {
    await writeFile(unfinished, text, { mode: PRIVATE_FILE_MODE, flag: 'wx' });
    await rename(unfinished, file);
  } catch (thrown) {
    await rm(unfinished, { force: true });
    throw thrown;
  }
}

/** Creates the folder with the next number. An earlier process of the run may have written recordings, too. */
async function makeNextFolder(parent: string): Promise<string> {
  await makeFolder(parent);
  // A link could lead out of the run's folder.
  if (!(await lstat(parent)).isDirectory()) throw new Error(`${parent} is not a folder`);
  const numbers = (await readdir(parent)).filter((name) => /^\d+$/.test(name)).map(Number);
  const folder = path.join(parent, String(Math.max(0, ...numbers) + 1));
  await mkdir(folder, { mode: PRIVATE_FOLDER_MODE });
  return folder;
}
