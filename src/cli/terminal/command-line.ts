/**
 * How the program was called: by an npm script of this project or by its own name. Messages name commands in the form that the user
 * typed, and the program notices flags that npm took as its own settings.
 */
import { toFlag } from '../../core/shell-words.ts';

export const COMMANDS = [
  'run',
  'actions',
  'new',
  'init',
  'smoke',
  'doctor',
  'sessions',
  'runs',
  'metrics',
  'health',
  'monitor',
  'reset-stuck',
  'enqueue',
  'worker',
  'schedule',
] as const;
export type CommandName = (typeof COMMANDS)[number];

export type Environment = Readonly<Record<string, string | undefined>>;

const PROGRAM = 'webdriver-supervisor';
/** This project's scripts. A project that has the library as a dependency names commands through npx. */
const SCRIPTS: Readonly<Partial<Record<CommandName, string>>> = {
  run: 'action',
  actions: 'actions',
  new: 'new-action',
  smoke: 'smoke',
  doctor: 'doctor',
  sessions: 'sessions',
  runs: 'runs',
  metrics: 'metrics',
  health: 'health',
  monitor: 'monitor',
  'reset-stuck': 'reset-stuck',
  enqueue: 'enqueue',
  worker: 'worker',
  schedule: 'schedule',
};
const IS_DEPENDENCY = /[\\/]node_modules[\\/]/.test(import.meta.url);
/** npm sets these for every script, also if the user typed none of them; `json` may come from the user's `.npmrc`. */
const SET_BY_NPM =
  /^(cache|prefix|local-prefix|global-prefix|globalconfig|init-module|node-gyp|noproxy|npm-version|user-agent|userconfig|json)$/;

/** Returns a command as the user types it, such as `npm run action -- books --url …`. */
export function commandLine(command: CommandName, rest = '', environment: Environment = process.env): string {
  const script = isOwnProject(environment) ? SCRIPTS[command] : undefined;
  if (script === undefined)
    return [IS_DEPENDENCY ? `npx ${PROGRAM}` : PROGRAM, command, rest].filter(Boolean).join(' ');
  return `npm run ${script}${rest === '' ? '' : ` -- ${rest}`}`;
}

/** Returns the flags among `names` that npm took as its own settings, because there was no `--` before them. */
export function flagsKeptByNpm(
  names: readonly string[],
  { args, environment = process.env }: { readonly args: readonly string[]; readonly environment?: Environment },
): string[] {
  if (!isNpmScript(environment)) return [];
  const typed = new Set(args.map((arg) => /^--(?:no-)?([^=]+)/.exec(arg)?.[1]));
  return names.filter(
    (name) =>
      !typed.has(name) &&
      !SET_BY_NPM.test(name) &&
      environment[`npm_config_${toFlag(name).replaceAll('-', '_')}`] !== undefined,
  );
}

/** The message about {@link flagsKeptByNpm}. `line` is the command as the user has to write it. */
export function describeKeptByNpm(names: readonly string[], line: string): string {
  return `npm took ${names.map((name) => `--${name}`).join(', ')} as its own, because there was no -- before. Write ${line}`;
}

/** Called by a script of this project, and not by one of a project that uses it. */
function isOwnProject(environment: Environment): boolean {
  return isNpmScript(environment) && [PROGRAM, undefined].includes(environment['npm_package_name']);
}

export function isNpmScript({ npm_lifecycle_event: script, npm_package_name: owner }: Environment): boolean {
  return script !== undefined && (owner === PROGRAM || Object.values(SCRIPTS).includes(script));
}
