/** A file under a temporary name, written as a stream. */
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

import { PRIVATE_FILE_MODE } from '../../core/folders.ts';
import { temporaryPath } from '../../upkeep/upkeep.ts';

const BUFFER_BYTES = 64 * 1024;

interface OpenStream {
  readonly input: Writable;
  /** Resolves when everything is on the disk and the file is closed; rejects if that fails. */
  readonly done: Promise<void>;
}

/** Writes text in the order of the calls. Only one call may run at a time. */
export class UnfinishedFile {
  readonly path: string;
  readonly #isCompressed: boolean;
  #stream: OpenStream | undefined;
  /** The texts that are not in the stream yet. */
  #texts: string[] = [];
  #length = 0;
  #isCreated = false;

  constructor(folder: string, { isCompressed = false }: { readonly isCompressed?: boolean } = {}) {
    this.path = temporaryPath(folder);
    this.#isCompressed = isCompressed;
  }

  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** Returns the number of letters that wait in memory. */
  put(text: string): number {
    this.#texts.push(text);
    this.#length += text.length;
    return this.#length;
  }

  async flush(): Promise<void> {
    if (this.#length === 0) return;
    const text = this.#texts.join('');
    this.#texts = [];
    this.#length = 0;
    this.#stream ??= await this.#open();
    const { input, done } = this.#stream;
    if (!input.write(text)) await Promise.race([once(input, 'drain'), done]);
  }

  /** Closes the file temporarily; the next text opens it again. A compressed file then continues with a further member (RFC 1952). */
  async suspend(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.input.end();
    await stream?.done;
  }

  /** Resolves when the whole text is on the disk. */
  async complete(): Promise<void> {
    await this.flush();
    this.#stream ??= await this.#open();
    await this.suspend();
  }

  /** Renames the file. `rename` replaces a symbolic link and never follows it. */
  rename(to: string): Promise<void> {
    return rename(this.path, to);
  }

  async remove(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.input.destroy();
    await stream?.done.catch(() => undefined);
    await rm(this.path, { force: true });
  }

  async #open(): Promise<OpenStream> {
    const { O_WRONLY, O_APPEND, O_NOFOLLOW } = constants;
    const flags = this.#isCreated ? O_WRONLY | O_APPEND | O_NOFOLLOW : 'wx';
    const handle = await open(this.path, flags, PRIVATE_FILE_MODE);
    this.#isCreated = true;
    const file = handle.createWriteStream({ flush: true, highWaterMark: BUFFER_BYTES });
    if (!this.#isCompressed) return { input: file, done: quiet(finished(file)) };
    const gzip = createGzip();
    return { input: gzip, done: quiet(pipeline(gzip, file)) };
  }
}

/** Marks a rejection as handled. Code that awaits the promise still gets it. */
function quiet(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined);
  return promise;
}

/** Syncs the folder, so that renames in it survive a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(path.resolve(folder), 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
