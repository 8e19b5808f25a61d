import { existsSync } from 'node:fs';
import path from 'node:path';

/** The URL of a SQLite file with a relative path. */
const RELATIVE_SQLITE = /^sqlite:(?!:memory:$|\/)(?![a-z]:[\\/])(.+)$/i;

/** The nearest folder with a package.json, from `folder` upwards; undefined if there is none. */
export function findProjectRoot(folder = process.cwd()): string | undefined {
  if (existsSync(path.join(folder, 'package.json'))) return folder;
  const parent = path.dirname(folder);
  return parent === folder ? undefined : findProjectRoot(parent);
}

/** A path of the project as seen from the working directory; of the working directory itself if that is in no project. */
export function projectPath(...parts: readonly string[]): string {
  const file = path.join(findProjectRoot() ?? '', ...parts);
  return path.relative('', file) || '.';
}

/** The URL of a registry, whose relative path stands against the project's root, as seen from the working directory. */
export function toProjectUrl(url: string): string {
  return url.replace(RELATIVE_SQLITE, (_url, file: string) => `sqlite:${projectPath(file)}`);
}
