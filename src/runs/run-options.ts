/** From what a caller gives to what a run needs; everything that can be refused is refused here, before a browser starts. */
import path from 'node:path';

import type { z } from 'zod';

import { childEnvironment, loadConfig, type Config } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import { silentLog, type Log } from '../core/log.ts';
import {
  assertLocalBrowser,
  type Death,
  type SessionSupervisor,
  type SupervisorOptions,
} from '../supervisor/supervisor.ts';
import { toFlag, type Action } from './define-action.ts';
import { assertWritableFolder, type ExportFormat } from './export.ts';
import { assertReachable } from './preflight.ts';

export interface RunOptions {
  /** Whom the session belongs to. Default: the action's `owner(params)`, else the run's id. */
  readonly owner?: string;
  /** Overrides the number of sessions of batches that ask for several. */
  readonly sessions?: number;
  /** False: the first death ends the run as `halted`. Default true. */
  readonly recover?: boolean;
  /** Where files are written; false for no files. Default `output/<run id>`. */
  readonly output?: string | false;
  /** Default `jsonl`. */
  readonly format?: ExportFormat;
  /** Cancels the run: what is finished is kept. */
  readonly signal?: AbortSignal;
  /** Default: from the environment and `config/`. */
  readonly config?: Config;
  /** Overrides of the browser and its supervisor, beyond the settings. */
  readonly supervisor?: SupervisorOptions;
  /** Default: nothing is logged. */
  readonly log?: Log;
  readonly onDeath?: (death: Death) => void;
  /** Each session's supervisor, the pool's included, as it is started. */
  readonly onSession?: (supervisor: SessionSupervisor) => void;
}

export interface PlannedRun {
  readonly runId: string;
  readonly owner: string;
  readonly sessions: number | undefined;
  readonly recover: boolean;
  readonly folder: string;
  readonly writesOutput: boolean;
  readonly format: ExportFormat;
  readonly baseUrl: string | undefined;
  readonly stuckAfterMs: number;
  readonly signal: AbortSignal | undefined;
  readonly supervisor: SupervisorOptions;
  readonly log: Log;
  readonly onDeath: ((death: Death) => void) | undefined;
  readonly onSession: ((supervisor: SessionSupervisor) => void) | undefined;
}

/** The parameters as the action's schema has them, defaults filled in. Throws `ConfigError` naming each wrong one. */
export function parseParams(action: Action, given: unknown): Record<string, unknown> {
  const parsed = action.params.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => describeIssue(issue, action, given));
  throw new ConfigError(
    `The parameters of ${action.name} are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
  );
}

export async function planRun(
  action: Action,
  params: Record<string, unknown>,
  { runId, options }: { runId: string; options: RunOptions },
): Promise<PlannedRun> {
  const {
    config = loadConfig(),
    output = path.join('output', runId),
    sessions,
    recover = true,
    format = 'jsonl',
  } = options;
  if (sessions !== undefined && (!Number.isInteger(sessions) || sessions < 1)) {
    throw new ConfigError(`The number of sessions is ${sessions}; it must be a whole number of at least 1.`);
  }
  if (options.owner !== undefined && (sessions ?? 1) > 1) {
    throw new ConfigError('--owner names whom one session belongs to; it does not go with --sessions above 1.');
  }
  const supervisor = { ...toSupervisorOptions(config), ...options.supervisor };
  const baseUrl = action.baseUrl?.(params);
  if (output !== false) await assertWritableFolder(output);
  if (supervisor.gridUrl === undefined) await assertLocalBrowser(supervisor);
  if (baseUrl !== undefined) {
    await assertReachable(baseUrl, { hasProxy: hasProxy(), signal: options.signal ?? new AbortController().signal });
  }
  return {
    runId,
    owner: options.owner ?? action.owner?.(params) ?? runId,
    sessions,
    recover,
    folder: output === false ? path.join('output', runId) : output,
    writesOutput: output !== false,
    format,
    baseUrl,
    stuckAfterMs: config.sessionTimeoutMs,
    signal: options.signal,
    supervisor,
    log: (options.log ?? silentLog).child({ runId, action: action.name }),
    onDeath: options.onDeath,
    onSession: options.onSession,
  };
}

/** The settings, in the supervisor's words. */
export function toSupervisorOptions(config: Config): SupervisorOptions {
  return {
    gridUrl: config.gridUrl,
    browserPath: config.chromeBinary,
    driverPath: config.chromedriver,
    browserName: config.browser,
    headless: config.headless,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    heartbeatTimeoutMs: config.heartbeatTimeoutMs,
    commandTimeoutMs: config.commandTimeoutMs,
  };
}

function describeIssue(issue: z.core.$ZodIssue, action: Action, given: unknown): string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(action.params.shape).map((name) => `--${toFlag(name)}`);
    return issue.keys.map((key) => `--${toFlag(key)} is no parameter of it; it has ${known.join(', ') || 'none'}.`);
  }
  const [name] = issue.path;
  // A rule about several parameters at once belongs to none of them.
  if (name === undefined) return [`${issue.message}.`];
  const value: unknown = typeof given === 'object' && given !== null ? Reflect.get(given, name) : undefined;
  const flag = `--${toFlag(String(name))}`;
  return [value === undefined ? `${flag} is missing (${issue.message}).` : `${flag}: ${issue.message}.`];
}

function hasProxy(): boolean {
  const environment = childEnvironment({});
  return ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'].some(
    (name) => environment[name],
  );
}
