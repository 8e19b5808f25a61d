import { existsSync } from 'node:fs';
import path from 'node:path';

/** The URL of a SQLite file with a relative path. */
const RELATIVE_SQLITE = /^sqlite:(?!:memory:$|\/)(?![a-z]:[\\/])(.+)$/i;

/** Returns the nearest folder with a package.json, from `folder` upwards; undefined if there is none. */
export function findProjectRoot(folder = process.cwd()): string | undefined {
  if (existsSync(path.join(folder, 'package.json'))) return folder;
  const parent = path.dirname(folder);
  return parent === folder ? undefined : findProjectRoot(parent);
}

/** Returns a path of the project, relative to the working directory. Without a project, the path is in the working directory. */
export function projectPath(...parts: readonly string[]): string {
  const file = path.join(findProjectRoot() ?? '', ...parts);
  return path.relative('', file) || '.';
}

/** Returns the URL of a registry with its path relative to the working directory. The given path is relative to the project's root. */
export function toProjectUrl(url: string): string {
  return url.replace(RELATIVE_SQLITE, (_url, file: string) => `sqlite:${projectPath(file)}`);
}
