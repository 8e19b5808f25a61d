/** From what a person typed to the file that is meant: a name in an `actions` folder, or a path. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { projectPath } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import { commandLine } from './invocation.ts';
import { didYouMean } from './suggest.ts';

export interface ActionFile {
  /** The file's name without its ending: what `run` is given. */
  readonly name: string;
  readonly file: string;
}

const ENDINGS = ['.ts', '.js', '.mjs'];
/** Beside the sources, or built beside this file's room. */
const OWN_FOLDER = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../actions' : '../actions', import.meta.url),
);

/** The folder of the project goes before the package's own. */
export function actionFolders(): string[] {
  return [...new Set([path.resolve(projectPath('actions')), OWN_FOLDER])];
}

/** Whether the project has actions of its own. */
export function hasActions(): boolean {
  return namesIn(projectPath('actions')).length > 0;
}

/** Every action that can be run by name, sorted; of two with one name, the one that `run` takes. */
export function listActionFiles(): ActionFile[] {
  const found = new Map<string, string>();
  for (const folder of actionFolders()) {
    for (const name of namesIn(folder)) {
      const file = fileOf(name, folder);
      if (!found.has(name) && file !== undefined) found.set(name, file);
    }
  }
  return [...found].map(([name, file]) => ({ name, file })).sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

/** Throws `ConfigError` when there is no such file or action, with the nearest name. */
export function findActionFile(target: string): string {
  if (target.startsWith('file:')) return findActionFile(fileURLToPath(target));
  if (/[\\/]|\.[cm]?[jt]sx?$/.test(target)) {
    const file = path.resolve(target);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats?.isFile() === true) return file;
    const what = stats === undefined ? 'does not exist' : 'is not a file';
    throw new ConfigError(
      `${target} ${what} (looked for ${file}). Name an action, or the file of one.${knownActions(path.parse(target).name)}`,
    );
  }
  for (const folder of actionFolders()) {
    const file = fileOf(target, folder);
    if (file !== undefined) return file;
  }
  const nearby = ENDINGS.map((ending) => `./${target}${ending}`).find((file) => existsSync(file));
  const hint = nearby === undefined ? knownActions(target) : ` There is ${nearby}: ${commandLine('run', nearby)}`;
  throw new ConfigError(`There is no action "${target}".${hint}`);
}

/** ` Did you mean x? Known are x, y.` */
export function knownActions(typed = ''): string {
  const names = listActionFiles().map(({ name }) => name);
  if (names.length === 0)
    return ` There are none in ${path.resolve(projectPath('actions'))} yet: ${commandLine('new', 'my-action')}`;
  return `${didYouMean(typed, names)} Known are ${names.join(', ')}; see ${commandLine('actions')}.`;
}

function fileOf(name: string, folder: string): string | undefined {
  return ENDINGS.map((ending) => path.join(folder, name + ending)).find(
    (file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true,
  );
}

/** Tests, declarations and files that begin with a dot or an underscore are no actions. */
function namesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((entry) => ENDINGS.includes(path.extname(entry)) && !/^[._]|\.(d|test|spec|config)\.[a-z]+$/.test(entry))
    .map((entry) => path.parse(entry).name);
}
