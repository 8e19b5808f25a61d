/** The `doctor` check for stored data that other users can read. New files are private; moved and older files may not be. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

import { count } from '../../core/describe-number.ts';
import type { Config } from '../../config/config.ts';
import { quoteForShell } from '../../core/shell-words.ts';
import type { CheckResult } from './check-result.ts';

const NAME = 'privacy';
const OUTPUT = 'output';
/** The permission bits of the group and of others. */
const READ_BY_OTHERS = 0o044;
const PASSED_BY_OTHERS = 0o011;
const MAX_FILES_LOOKED_AT = 10_000;

export function checkPrivacy({ registryUrl }: Pick<Config, 'registryUrl'>): CheckResult {
  const registry = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(registryUrl)?.[1];
  const own = registry === undefined ? [] : [registry, `${registry}-wal`, `${registry}-shm`];
  const readable = [...own.filter(isReadableByOthers), ...readableFilesIn(OUTPUT)];
  const [first] = readable;
  if (first === undefined)
    return { name: NAME, status: 'ok', message: 'no other user can read the registry and output' };
  const roots = new Set(readable.map((file) => (own.includes(file) ? file : OUTPUT)));
  return {
    name: NAME,
    status: 'warning',
    message: `Other users of this machine can read ${count(readable.length, 'file')} of data, such as ${first}.`,
    advice: `If that is not intended, type: chmod -R go= ${[...roots].map(quoteForShell).join(' ')}`,
  };
}

function readableFilesIn(folder: string): string[] {
  if (!isPassedByOthers(path.resolve(folder))) return [];
  const found: string[] = [];
  const waiting = [folder];
  let looks = 0;
  for (let at = waiting.pop(); at !== undefined && looks < MAX_FILES_LOOKED_AT; at = waiting.pop()) {
    for (const entry of listFolder(at)) {
      const file = path.join(at, entry.name);
      const mode = modeOf(file);
      looks += 1;
      if (entry.isFile() && (mode & READ_BY_OTHERS) !== 0) found.push(file);
      if (entry.isDirectory() && (mode & PASSED_BY_OTHERS) !== 0) waiting.push(file);
    }
  }
  return found;
}

function isReadableByOthers(file: string): boolean {
  return (modeOf(file) & READ_BY_OTHERS) !== 0 && isPassedByOthers(path.dirname(path.resolve(file)));
}

/** Returns whether other users can enter `folder` and each folder above it. */
function isPassedByOthers(folder: string): boolean {
  const above = path.dirname(folder);
  return (modeOf(folder) & PASSED_BY_OTHERS) !== 0 && (above === folder || isPassedByOthers(above));
}

function modeOf(file: string): number {
  try {
    return statSync(file).mode;
  } catch {
    // The file does not exist, or this user can't access it.
    return 0;
  }
}

function listFolder(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // The folder does not exist, or this user can't read it.
    return [];
  }
}
