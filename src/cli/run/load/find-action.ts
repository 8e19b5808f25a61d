/** Finds the file of an action from what the user typed: a name in an `actions` folder, or a path. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { projectPath } from '../../../config/config.ts';
import { ConfigError } from '../../../core/errors.ts';
import { commandLine } from '../../terminal/command-line.ts';
import { didYouMean } from '../../../core/did-you-mean.ts';

export interface ActionFile {
  /** The file's name without its extension, which is the argument of `run`. */
  readonly name: string;
  readonly file: string;
}

const ENDINGS = ['.ts', '.js', '.mjs'];
/** The folder of the bundled actions: beside `src`, or in the built package inside `dist`. */
const OWN_FOLDER = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../../../actions' : '../../../actions', import.meta.url),
);

/** Returns the folders in search order: that of the project, then the package's own. */
function actionFolders(): string[] {
  return [...new Set([path.resolve(projectPath('actions')), OWN_FOLDER])];
}

/** Returns true if the project has actions of its own. */
export function hasActions(): boolean {
  return namesIn(projectPath('actions')).length > 0;
}

/** Returns every action that can be run by name, sorted. If two have the same name, only the one that `run` takes. */
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

/** Throws `ConfigError` with the closest name if there is no such file or action. */
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
  throw new ConfigError(`There is no action "${target}". Searched folders: ${actionFolders().join(', ')}.${hint}`);
}

/** Returns a hint such as ` Did you mean x? Known actions: x, y; see …`. */
export function knownActions(typed = ''): string {
  const names = listActionFiles().map(({ name }) => name);
  if (names.length === 0)
    return ` There are none in ${path.resolve(projectPath('actions'))} yet: ${commandLine('new', 'my-action')}`;
  return `${didYouMean(typed, names)} Known actions: ${names.join(', ')}; see ${commandLine('actions')}.`;
}

function fileOf(name: string, folder: string): string | undefined {
  return ENDINGS.map((ending) => path.join(folder, name + ending)).find(
    (file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true,
  );
}

/** Leaves out tests, declarations and files that begin with a dot or an underscore. */
function namesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((entry) => ENDINGS.includes(path.extname(entry)) && !/^[._]|\.(d|test|spec|config)\.[a-z]+$/.test(entry))
    .map((entry) => path.parse(entry).name);
}
