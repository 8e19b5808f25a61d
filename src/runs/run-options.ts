/** From what a caller gives to what a run needs; everything that can be refused is refused here, before a browser starts. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';

import type { z } from 'zod';

import type { StoredRun } from '../model/run.ts';
import type { Death } from '../model/death.ts';
import type { SourceWarning } from '../analysis/analysis.ts';
import { browserEnvironment, loadConfig, type Config } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import { silentLog, type Log } from '../core/log.ts';
import { findSecrets } from '../core/redact.ts';
import { secrets } from '../core/secrets.ts';
import { toFlag } from '../core/shell-words.ts';
import type { FolderClaim, Registry } from '../registry/registry.ts';
import {
  assertLocalBrowser,
  BROWSER_OPTION_NAMES,
  type BrowserOptions,
  readSessionState,
  mergeSupervisorOptions,
  toSupervisorOptions,
  type SessionState,
  type SessionSupervisor,
  type SupervisorOptions,
} from '../supervisor/supervisor.ts';
import type { Action } from './define-action.ts';
import { assertWritableFolder, type ExportFormat } from './exports/export.ts';
import { assertFolderUnclaimed, toFolderClaim } from './exports/output-folder.ts';
import type { RunProgress } from './outcome.ts';
import { assertReachable } from './preflight.ts';
import { readStoredOptions, toStoredParams, type StoredOptions, type StoredParams } from './resume.ts';

export interface RunOptions {
  /** Where the run is kept; borrowed. Default: the one of `REGISTRY_URL`, opened for this run. */
  readonly registry?: Registry;
  /** A run's id, or `last`: goes on with that run of the action instead of beginning one. Parameters are taken from it. */
  readonly resume?: string;
  /**
   * With `resume`: the key of a step (or `batch/key` of an item) to forget, together with everything that came after it. The run goes on
   * from there.
   */
  readonly redo?: string;
  /** A file of browser state, in the format of Playwright's `storageState`: loaded into each new session, and kept up to date. */
  readonly sessionState?: string;
  /** Patterns in the action's source that lose data when a step is replayed; see {@link SourceWarning}. Default: none. */
  readonly sourceWarnings?: readonly SourceWarning[];
  /** Loads the action's module once more, as a new instance. Called before `run` is entered again if a source warning is about module state. */
  readonly reloadAction?: () => Promise<Action>;
  /** How the action is named on a command line where not by its name: its file. For the words that tell how to resume. */
  readonly target?: string;
  /** How long to wait for an owner that is busy. Default 0: told at once. */
  readonly waitMs?: number;
  /** Whom the session belongs to. Default: the action's `owner(params)`, else the run's id. */
  readonly owner?: string;
  /** Overrides the number of sessions of batches that ask for several. */
  readonly sessions?: number;
  /** False: the first death ends the run as `halted`. Default true. */
  readonly recover?: boolean;
  /** False: a step is done again however many sessions died during it, and never fails as `step-poisoned`. Default true. */
  readonly givesUpSteps?: boolean;
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
  /** After each step, record and word of the action. */
  readonly onProgress?: (progress: RunProgress) => void;
  /** Each session's supervisor, the pool's included, as it is started. */
  readonly onSession?: (supervisor: SessionSupervisor) => void;
}

export interface PlannedRun {
  readonly runId: string;
  readonly owner: string;
  readonly config: Config;
  readonly waitMs: number;
  /** The run as it stands, when it is gone on with. */
  readonly resumed: StoredRun | undefined;
  /** What its row says of how it was asked for. */
  readonly asked: { readonly params: StoredParams; readonly options: StoredOptions };
  /** The step to forget, with everything after it. */
  readonly redo: string | undefined;
  /** The user's file of browser state, and what it held; undefined if none was named. */
  readonly sessionState: SessionState | undefined;
  readonly sourceWarnings: readonly SourceWarning[];
  readonly reloadAction: (() => Promise<Action>) | undefined;
  readonly sessions: number | undefined;
  readonly recover: boolean;
  readonly givesUpSteps: boolean;
  readonly folder: string;
  readonly writesOutput: boolean;
  /** Undefined for a run that writes no files. */
  readonly claim: FolderClaim | undefined;
  readonly format: ExportFormat;
  readonly baseUrl: string | undefined;
  readonly stuckAfterMs: number;
  readonly warnAfterMs: number;
  readonly signal: AbortSignal | undefined;
  readonly supervisor: SupervisorOptions;
  readonly log: Log;
  readonly onDeath: ((death: Death) => void) | undefined;
  readonly onProgress: ((progress: RunProgress) => void) | undefined;
  readonly onSession: ((supervisor: SessionSupervisor) => void) | undefined;
}

/**
 * The parameters as the action's schema has them, defaults filled in. Throws `ConfigError` naming each wrong one. From then on the secrets
 * among them are masked in all that this process writes.
 */
export function parseParams(action: Action, given: unknown): Record<string, unknown> {
  secrets.add(findSecrets(given));
  const parsed = action.params.safeParse(given ?? {});
  if (parsed.success) {
    secrets.add(findSecrets(parsed.data));
    return parsed.data;
  }
  const problems = parsed.error.issues.flatMap((issue) => describeIssue(issue, action, given));
  throw new ConfigError(
    `The parameters of ${action.name} are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
  );
}

export interface PlanOptions {
  readonly runId: string;
  /** The parameters before the action's schema had them. */
  readonly given: unknown;
  readonly options: RunOptions;
  readonly resumed: StoredRun | undefined;
  readonly registry: Registry;
}

export async function planRun(
  action: Action,
  params: Record<string, unknown>,
  { runId, given, options, resumed, registry }: PlanOptions,
): Promise<PlannedRun> {
  const stored = resumed === undefined ? {} : readStoredOptions(resumed);
  const { config = loadConfig(), recover = true } = options;
  const sessions = options.sessions ?? stored.sessions;
  const output = options.output ?? stored.output ?? path.join('output', runId);
  const format = options.format ?? stored.format ?? 'jsonl';
  if (sessions !== undefined && (!Number.isInteger(sessions) || sessions < 1)) {
    throw new ConfigError(`The number of sessions is ${sessions}; it must be a whole number of at least 1.`);
  }
  if (options.redo !== undefined && resumed === undefined) {
    throw new ConfigError('`redo` does a step of an earlier run again; it needs `resume`, which names that run.');
  }
  if (options.owner !== undefined && (sessions ?? 1) > 1) {
    throw new ConfigError('--owner names whom one session belongs to; it does not go with --sessions above 1.');
  }
  const supervisor = mergeSupervisorOptions(
    readBrowserOptions(action, params),
    toSupervisorOptions(config),
    options.supervisor ?? {},
  );
  const folder = output === false ? path.join('output', runId) : output;
  // On a Grid the files are on the machine of the browser.
  const hasOwnDownloads = output !== false && supervisor.downloadDir === undefined && supervisor.gridUrl === undefined;
  const baseUrl = action.baseUrl?.(params);
  if (output !== false) await assertWritableFolder(output);
  const claim = output === false ? undefined : await toFolderClaim(output);
  if (claim !== undefined) {
    assertFolderUnclaimed(claim, runId);
    await registry.runs.assertFolderFree(runId, claim);
  }
  if (supervisor.gridUrl === undefined) await assertLocalBrowser(supervisor);
  if (baseUrl !== undefined) {
    await assertReachable(baseUrl, {
      hasProxy: hasProxy() || supervisor.proxy !== undefined,
      signal: options.signal ?? new AbortController().signal,
    });
  }
  return {
    runId,
    owner: resumed?.owner ?? options.owner ?? action.owner?.(params) ?? runId,
    config,
    waitMs: options.waitMs ?? 0,
    resumed,
    asked: {
      params: toStoredParams(given),
      options: {
        output,
        format,
        ...(sessions !== undefined && { sessions }),
        ...(options.target !== undefined && { target: options.target }),
      },
    },
    redo: options.redo,
    sessionState: options.sessionState === undefined ? undefined : await readSessionState(options.sessionState),
    sourceWarnings: options.sourceWarnings ?? [],
    reloadAction: options.reloadAction,
    sessions,
    recover,
    givesUpSteps: options.givesUpSteps ?? true,
    folder,
    writesOutput: output !== false,
    claim,
    format,
    baseUrl,
    stuckAfterMs: config.sessionTimeoutMs,
    warnAfterMs: config.warningThresholdMs,
    signal: options.signal,
    supervisor: hasOwnDownloads ? { ...supervisor, downloadDir: path.join(folder, 'downloads') } : supervisor,
    log: (options.log ?? silentLog).child({ runId, action: action.name }),
    onDeath: options.onDeath,
    onProgress: options.onProgress,
    onSession: options.onSession,
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

/** Throws `ConfigError` if the action returns an option that is not its to choose. */
function readBrowserOptions(action: Action, params: Record<string, unknown>): BrowserOptions {
  const browser = action.browser?.(params) ?? {};
  const known = BROWSER_OPTION_NAMES.filter((name) => name !== 'headless' && name !== 'browserName');
  const unknown = Object.keys(browser).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new ConfigError(
      `\`browser\` of ${action.name} returns ${unknown.join(', ')}, which an action can't choose. It can choose ${known.join(', ')}.`,
    );
  }
  return browser;
}

function hasProxy(): boolean {
  const environment = browserEnvironment({});
  return ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'].some(
    (name) => environment[name],
  );
}

/** Sortable by time, unique enough for one registry: `20261120-181530-4f9a2c`. */
export function makeRunId(): string {
  const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${time}-${randomBytes(3).toString('hex')}`;
}
