/** Turns the words after an action's name into the request of a run, or into one error with all problems. */
import { loadConfig, type Config } from '../../config/config.ts';
import { ConfigError } from '../../core/errors.ts';
import { findSecrets } from '../../core/redact.ts';
import { secrets } from '../../core/secrets.ts';
import type { Action, ExportFormat, RehearsalScope, RunOptions } from '../../runs/runs.ts';
import { checkParameters, readParameter, toActionParameters } from './action-flags.ts';
import { parseFlags, showValue, type Flag, type FlagProblem } from './flags.ts';
import { commandLine, describeKeptByNpm, flagsKeptByNpm, type CommandName } from '../terminal/command-line.ts';
import { RUN_COMMAND_FLAGS } from './run-help.ts';

const MAX_WAIT_SECONDS = 86_400;

export interface RunRequest {
  readonly params: Readonly<Record<string, unknown>>;
  readonly options: RunOptions;
  readonly config: Config;
  readonly isJson: boolean;
  readonly isVerbose: boolean;
  /** Undefined: no rehearsal. */
  readonly rehearsal: RehearsalScope | undefined;
}

export interface ActionFlagsOptions {
  /** The name or file of the action, as the user typed it. */
  readonly target: string;
  readonly command: CommandName;
  /** The flags of the command itself. */
  readonly flags: readonly Flag[];
  readonly check: (values: ReadonlyMap<string, unknown>) => readonly FlagProblem[];
}

export interface ActionFlags {
  readonly params: Readonly<Record<string, unknown>>;
  /** The flags of the command that were given. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** Separates the parameters of an action from the flags of the command. Throws `ConfigError` with one line per problem. */
export function parseActionFlags(
  action: Action,
  args: readonly string[],
  { target, command, flags, check }: ActionFlagsOptions,
): ActionFlags {
  const parameters = toActionParameters(action);
  const { values, positionals, problems } = parseFlags(args, [...parameters, ...flags]);
  const given = parameters.filter(({ name }) => values.has(name));
  const params = Object.fromEntries(
    given.map(({ parameter, name }) => [parameter, readParameter(action, parameter, values.get(name))]),
  );
  const secretsOfParams = findSecrets(params);
  secrets.add(secretsOfParams);
  const names = [...parameters, ...flags].map(({ name }) => name);
  const kept = flagsKeptByNpm(names, { args });
  const reported = new Set([...kept, ...problems.map(({ flag }) => flag)]);
  const isResume = values.has('resume');
  const all = [
    // A secret with a space, without quotes, arrives as several words.
    ...describeStrayWords({ kept, positionals, command, target, isSecret: secretsOfParams.length > 0 }),
    ...problems,
    ...check(values),
    // A run that is resumed has the missing parameters already.
    ...checkParameters(action, params).filter(({ flag, isMissing }) => !reported.has(flag) && !(isMissing && isResume)),
  ];
  if (all.length > 0) {
    const help = `See ${commandLine(command, `${target} --help`)}`;
    const [first] = all;
    if (all.length === 1) throw new ConfigError(`${first?.message} ${help}`);
    const verb = command === 'run' ? 'run' : 'enqueued';
    throw new ConfigError(
      `${action.name} can't be ${verb} like this:\n${all.map(({ message }) => `  ${message}\n`).join('')}${help}`,
    );
  }
  return { params, values };
}

/** Throws `ConfigError` with one line per problem. */
export function parseRunFlags(action: Action, args: readonly string[], target: string): RunRequest {
  const { params, values } = parseActionFlags(action, args, {
    target,
    command: 'run',
    flags: RUN_COMMAND_FLAGS,
    check: checkRunFlags,
  });
  const config = loadConfig({
    flags: {
      GRID_URL: values.get('grid'),
      ...(values.get('headed') === true ? { HEADLESS: false } : {}),
      ...(values.get('accept-insecure-certs') === true ? { ACCEPT_INSECURE_CERTS: true } : {}),
      BROWSER_ARGUMENTS: values.get('browser-argument'),
      BROWSER_PROXY: values.get('proxy'),
      USER_DATA_DIR: values.get('user-data-dir'),
      DOWNLOAD_DIR: values.get('download-dir'),
      RECORD: values.get('record'),
    },
  });
  return {
    params,
    config,
    isJson: values.get('json') === true,
    isVerbose: values.get('verbose') === true,
    rehearsal: toRehearsalScope(values.get('rehearse')),
    options: {
      ...pick<'resume', string>('resume', values),
      ...pick<'redo', string>('redo', values),
      ...(values.has('session-state') ? { sessionState: values.get('session-state') as string } : {}),
      ...(values.has('wait') ? { waitMs: (values.get('wait') as number) * 1_000 } : {}),
      ...pick<'owner', string>('owner', values),
      ...pick<'sessions', number>('sessions', values),
      ...pick<'output', string>('output', values),
      ...pick<'format', ExportFormat>('format', values),
      ...pick<'recover', boolean>('recover', values),
      ...pick<'report', boolean>('report', values),
      ...pick<'standby', boolean>('standby', values),
    },
  };
}

function pick<Name extends string, Value>(
  name: Name,
  values: ReadonlyMap<string, unknown>,
): { readonly [Key in Name]?: Value } {
  return (values.has(name) ? { [name]: values.get(name) } : {}) as { readonly [Key in Name]?: Value };
}

function toRehearsalScope(value: unknown): RehearsalScope | undefined {
  if (value === 'all') return 'all';
  return value === true ? 'some' : undefined;
}

function checkRunFlags(values: ReadonlyMap<string, unknown>): FlagProblem[] {
  const problems: FlagProblem[] = [];
  const complain = (flag: string, message: string) => void problems.push({ flag, message });
  const grid = values.get('grid');
  if (typeof grid === 'string' && !(URL.canParse(grid) && /^https?:$/.test(new URL(grid).protocol))) {
    complain('grid', '--grid must be an http or https URL, such as http://localhost:4444.');
  }
  const sessions = values.get('sessions');
  if (typeof sessions === 'number' && !(Number.isInteger(sessions) && sessions >= 1)) {
    complain('sessions', `--sessions is ${sessions}; it must be a whole number of at least 1.`);
  }
  if (values.has('owner') && typeof sessions === 'number' && sessions > 1) {
    complain('owner', '--owner names the owner of one session; it cannot be used with --sessions above 1.');
  }
  const wait = values.get('wait');
  if (typeof wait === 'number' && !(wait >= 0 && wait <= MAX_WAIT_SECONDS)) {
    complain('wait', `--wait is ${wait}; it must be a number of seconds from 0 to ${MAX_WAIT_SECONDS}.`);
  }
  if (toRehearsalScope(values.get('rehearse')) !== undefined) {
    if (values.has('resume')) complain('rehearse', '--rehearse starts new runs; it cannot be used with --resume.');
    if (values.get('recover') === false) {
      complain('recover', '--rehearse shows how a run recovers from deaths; it cannot be used with --no-recover.');
    }
  }
  if (values.get('standby') === true && values.get('recover') === false) {
    complain('standby', '--standby is for the recovery from deaths; it cannot be used with --no-recover.');
  }
  if (values.has('redo') && !values.has('resume')) {
    complain(
      'redo',
      '--redo does a step of an earlier run again; name that run with --resume <run>, or --resume last.',
    );
  }
  for (const name of ['owner', 'output', 'resume', 'redo', 'session-state', 'proxy', 'user-data-dir', 'download-dir']) {
    if (values.get(name) === '') complain(name, `--${name} is empty.`);
  }
  return problems;
}

/** npm takes flags without a `--` before them as its own settings, and passes on only their values. */
function describeStrayWords({
  kept,
  positionals,
  command,
  target,
  isSecret,
}: Readonly<Record<'kept' | 'positionals', readonly string[]>> & {
  readonly command: CommandName;
  readonly target: string;
  readonly isSecret: boolean;
}): FlagProblem[] {
  const line = commandLine(command, `${target} --flag value …`);
  if (kept.length > 0) return [{ flag: '', message: describeKeptByNpm(kept, line) }];
  if (positionals.length === 0) return [];
  const words = positionals.map((word) => showValue(isSecret ? 'secret' : 'word', word)).join(', ');
  return [{ flag: '', message: `${words}: only flags can follow the name of an action. Write ${line}` }];
}
