/**
 * Exports the records of a run as files, one per dataset. They are written as streams under temporary names, and are renamed when all are
 * complete: a full disk, a kill or a lost lease does not change the files of an earlier export.
 */
import { lstat, open, rm } from 'node:fs/promises';
import path from 'node:path';

import { ConfigError, SupervisorError, toError } from '../../core/errors.ts';
import { makeFolder } from '../../core/folders.ts';
import type { RecordEntry } from '../../registry/registry.ts';
import { removeLeftTemporaryFiles, temporaryPath } from '../../upkeep/upkeep.ts';
import { toCsv } from './csv.ts';
import { FileNames } from '../../core/file-names.ts';
import { syncFolder, UnfinishedFile } from './unfinished-file.ts';
import { ExportError } from '../errors.ts';
import type { ExportFormat } from './formats.ts';
import { warnOfOlderFiles } from './older-files.ts';

/** The maximum text that waits in memory, for one file and for all files. */
const MAX_WAITING_LETTERS = 64 * 1024;
const MAX_WAITING_LETTERS_OF_ALL = 4_000_000;
/** Limits the file descriptors, and the memory that compression needs for each open file. */
const MAX_OPEN_FILES = 32;

export interface ExportOptions {
  readonly folder: string;
  readonly format: ExportFormat;
  /** Called right before the files are renamed. Rejects unless the run still belongs to the caller and its data are the newest. */
  readonly prove: () => Promise<void>;
  /** The files of the run's last export. Default: none. */
  readonly earlier?: Readonly<Record<string, string>> | undefined;
  /** Ends the export. No file is replaced then. */
  readonly signal?: AbortSignal | undefined;
}

export interface Exported {
  /** Dataset -> file. */
  readonly outputs: Readonly<Record<string, string>>;
  /** The number of records in all files. */
  readonly records: number;
  /** A sentence for each file of an earlier export that was not replaced. */
  readonly warnings: readonly string[];
}

/** Creates the folder, and a file in it for a test. Throws `ConfigError`, because this is checked before a browser starts. */
export async function assertWritableFolder(folder: string): Promise<void> {
  const probe = temporaryPath(folder);
  try {
    await makeFolder(folder);
    const file = await open(probe, 'wx');
    await file.close();
    await rm(probe);
  } catch (thrown) {
    throw new ConfigError(
      `The output folder ${folder} can't be written to: ${toError(thrown).message}. Choose another with --output.`,
      {
        cause: thrown,
      },
    );
  }
}

/**
 * Writes each dataset to `<folder>/<dataset>.<format>`. Memory does not grow with the number of records. Throws {@link ExportError}, the
 * reason of `signal`, or what `prove` rejects with; no temporary file is left then.
 */
export async function exportRecords(records: AsyncIterable<RecordEntry>, options: ExportOptions): Promise<Exported> {
  const { folder, format, prove, signal, earlier = {} } = options;
  const files = new DatasetFiles(options);
  try {
    let count = 0;
    for await (const record of records) {
      signal?.throwIfAborted();
      await files.put(record);
      count += 1;
    }
    await files.complete();
    if (count > 0) {
      await prove();
      await files.rename();
      await files.at(folder, () => syncFolder(folder));
    }
    const { outputs } = files;
    const warnings = warnOfOlderFiles(Object.values(outputs), { folder, format, earlier: Object.values(earlier) });
    return { outputs, records: count, warnings };
  } catch (thrown) {
    await files.remove();
    throw thrown;
  }
}

interface DatasetFile {
  readonly target: string;
  unfinished: UnfinishedFile;
  /** The fields of the records, for CSV. */
  readonly columns: Set<string>;
}

class DatasetFiles {
  readonly #options: ExportOptions;
  readonly #names = new FileNames();
  readonly #files = new Map<string, DatasetFile>();
  /** The open files, in the order of their last use. */
  readonly #open = new Set<UnfinishedFile>();
  /** The number of letters since all files were flushed. */
  #waiting = 0;

  constructor(options: ExportOptions) {
    this.#options = options;
  }

  get outputs(): Record<string, string> {
    return Object.fromEntries([...this.#files].map(([dataset, { target }]) => [dataset, target]));
  }

  async put({ dataset, json }: RecordEntry): Promise<void> {
    const file = this.#files.get(dataset) ?? (await this.#begin(dataset));
    if (this.#options.format === 'csv')
      for (const column of Object.keys(JSON.parse(json) as object)) file.columns.add(column);
    const waiting = file.unfinished.put(`${json}\n`);
    this.#waiting += json.length;
    if (waiting >= MAX_WAITING_LETTERS) await this.#flush(file);
    if (this.#waiting < MAX_WAITING_LETTERS_OF_ALL) return;
    for (const other of this.#files.values()) await this.#flush(other);
    this.#waiting = 0;
  }

  /** Resolves when all files are on the disk, in their format. */
  async complete(): Promise<void> {
    for (const file of this.#files.values()) {
      this.#options.signal?.throwIfAborted();
      await this.at(file.target, async () => {
        if (this.#options.format === 'csv') await this.#convert(file);
        await file.unfinished.complete();
      });
    }
  }

  async rename(): Promise<void> {
    for (const file of this.#files.values()) {
      await this.at(file.target, async () => {
        await assertReplaceable(file.target);
        await file.unfinished.rename(file.target);
      });
    }
  }

  async remove(): Promise<void> {
    await Promise.allSettled([...this.#files.values()].map(({ unfinished }) => unfinished.remove()));
  }

  /** Turns an error of the file system into an {@link ExportError} that names the file or folder `target`. */
  async at<Value>(target: string, work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (thrown) {
      if (thrown instanceof SupervisorError) throw thrown;
      throw new ExportError(
        `${target} could not be written: ${toError(thrown).message}. Free disk space, then run again.`,
        {
          cause: thrown,
        },
      );
    }
  }

  async #begin(dataset: string): Promise<DatasetFile> {
    const { folder, format } = this.#options;
    const target = path.join(folder, `${this.#names.nameOf(dataset)}.${format}`);
    await this.at(target, async () => {
      if (this.#files.size === 0) await removeLeftTemporaryFiles(folder);
      await assertReplaceable(target);
    });
    const unfinished = new UnfinishedFile(folder, { isCompressed: format === 'jsonl.gz' });
    const file = { target, unfinished, columns: new Set<string>() };
    this.#files.set(dataset, file);
    return file;
  }

  async #flush({ target, unfinished }: DatasetFile): Promise<void> {
    await this.at(target, async () => {
      await unfinished.flush();
      this.#open.delete(unfinished);
      if (unfinished.isOpen) this.#open.add(unfinished);
      const [oldest] = this.#open;
      if (this.#open.size <= MAX_OPEN_FILES || oldest === undefined) return;
      this.#open.delete(oldest);
      await oldest.suspend();
    });
  }

  /** Converts a complete file, because the header comes first, and all columns are known only when all records are written. */
  async #convert(file: DatasetFile): Promise<void> {
    const { folder, signal } = this.#options;
    const lines = file.unfinished;
    await lines.complete();
    const rows = new UnfinishedFile(folder);
    try {
      for await (const text of toCsv(lines.path, [...file.columns].sort())) {
        signal?.throwIfAborted();
        rows.put(text);
        await rows.flush();
      }
    } catch (thrown) {
      await rows.remove();
      throw thrown;
    }
    file.unfinished = rows;
    await lines.remove();
  }
}

/** An export replaces regular files only. It never replaces a folder or a device, and never writes through a link. */
async function assertReplaceable(file: string): Promise<void> {
  const found = await lstat(file).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    throw thrown;
  });
  if (found === undefined || found.isFile()) return;
  const kind = found.isSymbolicLink() ? 'a symbolic link' : found.isDirectory() ? 'a folder' : 'not a regular file';
  throw new ExportError(
    `${file} is ${kind}, and an export replaces only regular files. Remove it, or choose another folder with --output.`,
    { data: { file } },
  );
}
