/**
 * Names unfinished files. The name contains the process that writes the file, so that another process can remove the file after that
 * process has ended, but never while it runs.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';

import { isProcessGone, thisProcess } from '../driver/driver.ts';

/** The length of the host's hash, so that a name stays within the 255 bytes that file systems allow. */
const HOST_LETTERS = 8;
const NAME = /^\.unfinished-(?<host>[\da-f]{8})-(?<pid>\d+)-(?<identity>[\da-f]+)-[\da-f]{16}$/;

/** Returns a new path in `folder` for a file that this process writes and then renames or removes. */
export function temporaryPath(folder: string): string {
  const { host, pid, identity } = thisProcess();
  const words = [hashOf(host), pid, Buffer.from(identity).toString('hex'), randomBytes(8).toString('hex')];
  return path.join(folder, `.unfinished-${words.join('-')}`);
}

/** Removes the temporary files in `folder` whose process is certain to be gone. */
export async function removeLeftTemporaryFiles(folder: string): Promise<void> {
  const names = await readdir(folder);
  await Promise.all(names.filter(isLeft).map((name) => rm(path.join(folder, name), { force: true })));
}

function isLeft(name: string): boolean {
  const { host, pid, identity = '' } = NAME.exec(name)?.groups ?? {};
  const here = thisProcess().host;
  if (host !== hashOf(here)) return false;
  return isProcessGone({ host: here, pid: Number(pid), identity: Buffer.from(identity, 'hex').toString() });
}

function hashOf(host: string): string {
  return createHash('sha256').update(host).digest('hex').slice(0, HOST_LETTERS);
}
