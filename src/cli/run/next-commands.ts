/** The commands that the summary of a run names as next step. They contain no secrets. */
import { redactUrl } from '../../core/redact.ts';
import { quoteForShell } from '../../core/shell-words.ts';
import { hiddenParameters, type Action } from '../../runs/runs.ts';
import { commandLine } from '../terminal/command-line.ts';
import { toActionParameters } from './action-flags.ts';
import type { RunRequest } from './run-flags.ts';

/** How long the suggested command waits for an owner that is busy. */
const MIN_WAIT_SECONDS = 600;
const SECRET_FLAG = /^--[\w-]*(pass|secret|token|key|credential)/i;

export interface NextCommands {
  /** Repeats the run. */
  readonly again: string;
  /** Repeats the run and waits for its owner, or waits longer than before. */
  readonly wait: string;
  /** Returns the command that resumes a run. */
  resume(runId: string): string;
  /** Returns the command that writes the files of a run into another folder. */
  exportTo(runId: string): string;
}

/** `target` and `args` are the words that the user typed after `run`. */
export function toNextCommands(
  action: Action,
  {
    target,
    args,
    request,
  }: { readonly target: string; readonly args: readonly string[]; readonly request: RunRequest },
): NextCommands {
  const { sessionState, waitMs = 0 } = request.options;
  const stateFlag = sessionState === undefined ? [] : ['--session-state', quoteForShell(sessionState)];
  const line = (words: readonly string[]) => commandLine('run', [quoteForShell(target), ...words].join(' '));
  const seconds = Math.max(MIN_WAIT_SECONDS, (2 * waitMs) / 1_000);
  const others = args.filter((arg, index) => !/^--wait(=|$)/.test(arg) && args[index - 1] !== '--wait');
  return {
    again: line(withoutSecrets(args)),
    wait: line([...withoutSecrets(others), '--wait', String(seconds)]),
    exportTo: (runId) => commandLine('runs', `export ${runId} --output FOLDER`),
    resume: (runId) => line(['--resume', runId, ...stateFlag, ...hiddenFlags(action, request.params)]),
  };
}

function withoutSecrets(args: readonly string[]): string[] {
  const isSecret = (flag = '') => SECRET_FLAG.test(flag) || hidesValueOf(flag);
  return args.map((arg, index) => {
    if (isSecret(arg)) return arg.replace(/=.*$/s, '=…');
    return isSecret(args[index - 1]) && !(args[index - 1] ?? '').includes('=') ? '…' : quoteForShell(redactUrl(arg));
  });
}

/** Returns whether the log masks the value of a parameter with this flag. */
function hidesValueOf(flag: string): boolean {
  const name = /^--([\w-]+)/.exec(flag)?.[1];
  return name !== undefined && hiddenParameters({ [name]: 'value' }).length > 0;
}

/** Returns the parameters that the registry does not store, as flags to fill in. */
function hiddenFlags(action: Action, params: Readonly<Record<string, unknown>>): string[] {
  const hidden = hiddenParameters(params);
  return toActionParameters(action)
    .filter(({ parameter }) => hidden.includes(parameter))
    .map(({ name }) => `--${name} …`);
}
