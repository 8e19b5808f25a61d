/** Turns the options of a caller into the plan of a run. All validation happens here, before a browser starts. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';

import type { z } from 'zod';

import type { StoredRun } from '../model/run.ts';
import type { Death } from '../model/death.ts';
import type { SourceWarning } from '../analysis/analysis.ts';
import { browserEnvironment, loadConfig, RECORD_MODES, type Config, type RecordMode } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import { describeAgo } from '../core/describe-time.ts';
import { guardLog, silentLog, type Log } from '../core/log.ts';
import { findSecrets, redactUrl } from '../core/redact.ts';
import { secrets } from '../core/secrets.ts';
import { toFlag } from '../core/shell-words.ts';
import type { FolderClaim, Registry } from '../registry/registry.ts';
import {
  assertEndpoint,
  assertLocalBrowser,
  assertProxyInstalled,
  assertStandbyPossible,
  BROWSER_OPTION_NAMES,
  downloadsFrom,
  type BrowserOptions,
  readSessionState,
  mergeSupervisorOptions,
  routeOf,
  toSupervisorOptions,
  type SessionState,
  type SessionSupervisor,
  StandbyKeeper,
  type ObservedOptions,
  type SupervisorOptions,
} from '../supervisor/supervisor.ts';
import type { Action } from './define-action.ts';
import { assertWritableFolder } from './exports/export.ts';
import { assertFolderUnclaimed, toFolderClaim } from './exports/output-folder.ts';
import type { RunOutcome, RunProgress } from './outcome.ts';
import { assertReachable } from './preflight.ts';
import { describeMove, readStoredOptions, type StoredOptions } from './resume.ts';
import { toStoredParams, type StoredParams } from './stored-params.ts';
import type { ExportFormat } from './exports/formats.ts';
import { toRetirementLimits, type RetirementLimits } from './sessions/retirement.ts';
import { SessionLimit } from './sessions/session-limit.ts';

export interface RunOptions {
  /** The registry that stores the run. The caller closes it. @default the one of `REGISTRY_URL`, opened for this run */
  readonly registry?: Registry;
  /** The id of a run of the action, or `last`: resumes that run, with its parameters, instead of beginning a new one. */
  readonly resume?: string;
  /** True if `resume` names a shard, which only a worker that has taken it may continue. @default false */
  readonly isShard?: boolean;
  /**
   * With `resume`: the key of a step (or `batch/key` of an item) to forget, together with everything that came after it. The run resumes
   * from there.
   */
  readonly redo?: string;
  /** A file of browser state in the format of Playwright's `storageState`. It is loaded into each new session, and updated after steps. */
  readonly sessionState?: string;
  /** Patterns in the action's source that lose data when a step is replayed; see {@link SourceWarning}. @default none */
  readonly sourceWarnings?: readonly SourceWarning[];
  /** Loads a new instance of the action's module. Called before `run` is entered again, if a source warning is about module state. */
  readonly reloadAction?: () => Promise<Action>;
  /** The action's file, if a command line names the action by its file. Messages about how to resume use it. */
  readonly target?: string;
  /**
   * The time in milliseconds to wait for an owner that is busy, and for a Grid that is not up or has no node yet.
   *
   * @default 0: rejects at once if the owner is busy, and repeats the start of a session for 10 s
   */
  readonly waitMs?: number;
  /** The owner of the session. @default the action's `owner(params)`, otherwise the run's id */
  readonly owner?: string;
  /** Overrides the number of sessions of batches that ask for several. */
  readonly sessions?: number;
  /** The number of navigations after which the run continues on a new session. @default `MAX_PAGES_PER_SESSION`: no limit */
  readonly maxPages?: number;
  /** The same for the age of a session in milliseconds. @default `MAX_SESSION_AGE_MINUTES`: no limit */
  readonly maxSessionAgeMs?: number;
  /**
   * The same for the memory of the driver and the browser in MB, on Linux; 0 for no limit. @default `MAX_SESSION_MEMORY_MB`: 80 % of the
   * memory limit of the browser's control group, if it has one
   */
  readonly maxSessionMemoryMb?: number;
  /** If false, the first death ends the run as `halted`. @default true */
  readonly recover?: boolean;
  /**
   * True if a session is started in advance and kept ready, so that the run continues a few milliseconds after a death. All sessions of the
   * run share it. It needs the memory of one more browser. @default false
   */
  readonly standby?: boolean;
  /** If false, a step is done again after any number of deaths, and never fails with `step-poisoned`. @default true */
  readonly givesUpSteps?: boolean;
  /** The folder for the run's files; false for no files. @default `output/<run id>` */
  readonly output?: string | false;
  /** @default 'jsonl' */
  readonly format?: ExportFormat;
  /**
   * The recordings of the last 20 s in `deaths/N/recording.json` of the run's folder: `deaths` before each death and each failed step,
   * `always` also at the end of the run, `off` none. @default the setting `RECORD`
   */
  readonly record?: RecordMode;
  /** If false, the folder gets no `report.html`. @default true */
  readonly report?: boolean;
  /** Returns the next command for the user, which the report shows. @default the call that resumes or repeats the run */
  readonly describeNext?: (outcome: RunOutcome) => string;
  /** Cancels the run. Finished work stays stored. */
  readonly signal?: AbortSignal;
  /** @default read from the environment and `config/` */
  readonly config?: Config;
  /** Options of the browser and its supervisor, which override the settings. */
  readonly supervisor?: SupervisorOptions;
  /** @default nothing is logged */
  readonly log?: Log;
  readonly onDeath?: (death: Death) => void;
  /** Called after each step, each record and each call of `ctx.progress`. */
  readonly onProgress?: (progress: RunProgress) => void;
  /** Called with the supervisor of each session that is started, also those of the pool. */
  readonly onSession?: (supervisor: SessionSupervisor) => void;
}

export interface PlannedRun {
  readonly runId: string;
  readonly owner: string;
  readonly config: Config;
  readonly waitMs: number;
  /** The stored run, if it is resumed. */
  readonly resumed: StoredRun | undefined;
  /** The parameters and options for the run's row. */
  readonly asked: { readonly params: StoredParams; readonly options: StoredOptions };
  /** The key of the step to forget, with everything after it. */
  readonly redo: string | undefined;
  /** The user's file of browser state and its content; undefined if the user named none. */
  readonly sessionState: SessionState | undefined;
  readonly sourceWarnings: readonly SourceWarning[];
  readonly reloadAction: (() => Promise<Action>) | undefined;
  readonly sessions: number | undefined;
  readonly sessionLimit: SessionLimit;
  readonly recover: boolean;
  readonly retirement: RetirementLimits;
  readonly givesUpSteps: boolean;
  readonly folder: string;
  readonly writesOutput: boolean;
  readonly writesReport: boolean;
  readonly describeNext: (outcome: RunOutcome) => string;
  /** Undefined for a run that writes no files. */
  readonly claim: FolderClaim | undefined;
  readonly format: ExportFormat;
  readonly record: RecordMode;
  readonly baseUrl: string | undefined;
  readonly stuckAfterMs: number;
  readonly warnAfterMs: number;
  readonly signal: AbortSignal | undefined;
  readonly supervisor: ObservedOptions;
  /** The keeper of the run's standby, which the supervisors' options name too. */
  readonly standby: StandbyKeeper | undefined;
  readonly log: Log;
  readonly onDeath: ((death: Death) => void) | undefined;
  readonly onProgress: ((progress: RunProgress) => void) | undefined;
  readonly onSession: ((supervisor: SessionSupervisor) => void) | undefined;
}

/**
 * Returns the parameters as the action's schema parses them, with its defaults. Throws `ConfigError` that names each wrong parameter. From
 * then on, this process masks the secrets among them in everything that it writes.
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
  /** The parameters before the action's schema has parsed them. */
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
  const log = guardLog(options.log ?? silentLog).child({ runId, action: action.name });
  // A shard that its first worker begins is no resumed one.
  if (resumed !== undefined && resumed.startedAt !== null)
    log.info(`Resuming the run ${runId}, which began ${describeAgo(resumed.createdAt)} and is ${resumed.status}`);
  if (sessions !== undefined && (!Number.isInteger(sessions) || sessions < 1)) {
    throw new ConfigError(`The number of sessions is ${sessions}; it must be a whole number of at least 1.`);
  }
  if (options.record !== undefined && !RECORD_MODES.includes(options.record))
    throw new ConfigError(
      `The option record is ${JSON.stringify(options.record)}; it must be ${RECORD_MODES.join(', ')}.`,
    );
  if (options.redo !== undefined && resumed === undefined) {
    throw new ConfigError('`redo` does a step of an earlier run again; it needs `resume`, which names that run.');
  }
  if (options.owner !== undefined && (sessions ?? 1) > 1) {
    throw new ConfigError('--owner names the owner of one session; it cannot be used with --sessions above 1.');
  }
  const asked = mergeSupervisorOptions(
    readBrowserOptions(action, params),
    toSupervisorOptions(config),
    options.supervisor ?? {},
  );
  // The pages of a Grid show the name. Drivers without a Grid ignore it.
  const name = { capabilities: { 'se:name': `${action.name} ${runId}` } };
  let supervisor = asked.gridUrl === undefined ? asked : mergeSupervisorOptions(name, asked);
  const move = resumed === undefined ? undefined : describeMove(resumed, supervisor.gridUrl);
  if (move !== undefined) log.warn(move);
  assertProxyInstalled(supervisor);
  const wantsStandby = recover && (options.standby ?? supervisor.standby ?? false);
  if (wantsStandby) assertStandbyPossible(supervisor);
  const standby = wantsStandby ? new StandbyKeeper({ log }) : undefined;
  const folder = output === false ? path.join('output', runId) : output;
  // On a Grid, downloads are files of the browser's machine.
  const hasOwnDownloads = output !== false && supervisor.downloadDir === undefined && supervisor.gridUrl === undefined;
  const baseUrl = action.baseUrl?.(params);
  if (output !== false) await assertWritableFolder(output);
  const claim = output === false ? undefined : await toFolderClaim(output);
  if (claim !== undefined) {
    assertFolderUnclaimed(claim, runId);
    await registry.runs.assertFolderFree(runId, claim);
  }
  if (supervisor.gridUrl === undefined) await assertLocalBrowser(supervisor);
  // A completed run is only written again.
  else if (resumed?.status !== 'completed' || options.redo !== undefined) {
    const { waitMs, signal } = options;
    const grid = await assertEndpoint(supervisor.gridUrl, { ...routeOf(supervisor), waitMs, signal });
    supervisor = mergeSupervisorOptions(downloadsFrom(grid, supervisor), supervisor);
  }
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
        endpoint: supervisor.gridUrl === undefined ? null : redactUrl(supervisor.gridUrl),
      },
    },
    redo: options.redo,
    sessionState: options.sessionState === undefined ? undefined : await readSessionState(options.sessionState),
    sourceWarnings: options.sourceWarnings ?? [],
    reloadAction: options.reloadAction,
    sessions,
    sessionLimit: new SessionLimit({ isLimited: config.limitSessions && supervisor.gridUrl === undefined, log }),
    recover,
    retirement: toRetirementLimits(options, config),
    givesUpSteps: options.givesUpSteps ?? true,
    folder,
    writesOutput: output !== false,
    writesReport: output !== false && (options.report ?? true),
    describeNext: options.describeNext ?? describeNextCall,
    claim,
    format,
    record: options.record ?? config.record,
    baseUrl,
    stuckAfterMs: config.sessionTimeoutMs,
    warnAfterMs: config.warningThresholdMs,
    signal: options.signal,
    supervisor: {
      ...supervisor,
      ...(hasOwnDownloads && { downloadDir: path.join(folder, 'downloads') }),
      standby: false,
      standbyKeeper: standby,
    },
    standby,
    log,
    onDeath: options.onDeath,
    onProgress: options.onProgress,
    onSession: options.onSession,
  };
}

/** Returns the call that resumes the run, or repeats one that was completed or had no session. */
function describeNextCall({ runId, status, sessions }: RunOutcome): string {
  return status === 'completed' || sessions === 0
    ? 'runAction(action, params)'
    : `runAction(action, params, { resume: '${runId}' })`;
}

function describeIssue(issue: z.core.$ZodIssue, action: Action, given: unknown): string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(action.params.shape).map((name) => `--${toFlag(name)}`);
    return issue.keys.map((key) => `--${toFlag(key)} is not a parameter of it; it has ${known.join(', ') || 'none'}.`);
  }
  const [name] = issue.path;
  // A rule about several parameters has no path.
  if (name === undefined) return [`${issue.message}.`];
  const value: unknown = typeof given === 'object' && given !== null ? Reflect.get(given, name) : undefined;
  const flag = `--${toFlag(String(name))}`;
  return [value === undefined ? `${flag} is missing (${issue.message}).` : `${flag}: ${issue.message}.`];
}

/** Returns the browser options of the action. Throws `ConfigError` if it returns an option that an action can't choose. */
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

/** Makes an id that sorts by time and is unique within one registry, such as `20261120-181530-4f9a2c`. */
export function makeRunId(): string {
  const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${time}-${randomBytes(3).toString('hex')}`;
}
