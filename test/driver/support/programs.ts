import { chmod, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Writes an executable file that replaces chromedriver; disposing removes it. */
export async function writeProgram(text: string, { mode = 0o755 }: { mode?: number } = {}) {
  const folder = await mkdtempDisposable(join(tmpdir(), 'program-'));
  const path = join(folder.path, 'chromedriver');
  await writeFile(path, text);
  await chmod(path, mode);
  return { path, [Symbol.asyncDispose]: () => folder.remove() };
}

/** Writes a driver program that sends its clients to a server of the test. */
export function driverProgramFor(port: number) {
  return writeProgram(`#!/bin/sh\necho "ChromeDriver was started successfully on port ${port}."\nexec sleep 1000\n`);
}

/** Resolves with a promise's rejection; fails if the promise resolves. */
export function rejectionOf(promise: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  return promise.then(
    () => {
      throw new Error('The promise resolved, but it was expected to reject.');
    },
    (thrown: unknown) => thrown as Error,
  );
}
