/** The options, events and health of a supervisor. */
import type { Death } from '../model/death.ts';
import type { Log } from '../core/log.ts';
import { ConfigError, toError } from '../core/errors.ts';
import {
  COUNT,
  FLAG,
  FLAG_OR_OBJECT,
  FUNCTION,
  MILLISECONDS,
  OBJECT,
  POSITIVE_COUNT,
  SIGNAL,
  TEXT,
  validateOptions,
  type OptionKind,
  type OptionKinds,
} from '../core/option-kinds.ts';
import {
  BROWSER_OPTION_KINDS,
  Capabilities,
  isForOneBrowser,
  validateBrowserOptions,
  type BrowserOptions,
  type CommandHook,
  type QueueState,
  type Recorder,
  type RestoreParts,
} from '../driver/driver.ts';
import { validateHostLimits, type HostLimitOptions } from './host-limits.ts';
import { assertProxyInstalled } from './proxy-packages.ts';
import type { RestartLimitOptions } from './restart-limit.ts';
import type { SessionObserver } from './session-observer.ts';
import type { SupervisorStatus } from './state.ts';
import type { TargetOptions } from './target.ts';

export interface SupervisorOptions extends TargetOptions, BrowserOptions {
  /** The owner of the session. The supervisor uses it only as a name. Default `anonymous`. */
  readonly owner?: string;
  /** The base of relative API URLs. Default: the current page. */
  readonly baseUrl?: string;
  /**
   * The time in milliseconds without a sign of life after which a session is probed. While a command, an API call or a batch item is in
   * flight it is at most 1 000 ms. Default 5 000 ms.
   */
  readonly heartbeatIntervalMs?: number;
  /**
   * The time limit of a probe in milliseconds. A probe that exceeds it declares a death, unless the processes of the session run: then it is
   * repeated up to ten times. While work is in flight, and the limit is not longer than the default, it is 1 500 ms for a local browser
   * whose processes are stopped or asleep. Default 3 000 ms.
   */
  readonly heartbeatTimeoutMs?: number;
  /**
   * The minimum deadline of a command in milliseconds; a longer page load or script timeout of the session extends it. Default 120 000 ms.
   */
  readonly commandTimeoutMs?: number;
  /**
   * The time limit in milliseconds for a session to start at `gridUrl`, where it may wait in the queue for a free slot. Default 290 000 ms: the
   * queue of a Selenium Grid has a limit of 300 s.
   */
  readonly startTimeoutMs?: number;
  /** The number of further attempts of an API call. Default 4. */
  readonly apiRetries?: number;
  /** The time limit of one attempt of an API call. Default 30 000 ms. */
  readonly apiTimeoutMs?: number;
  /** Limits the API calls of a session to each host. @default no limit */
  readonly perHost?: HostLimitOptions;
  /** The number of failed API calls in a row that are a critical failure. Default 10. */
  readonly criticalFailureThreshold?: number;
  readonly restartLimit?: RestartLimitOptions;
  /**
   * The parts of the state that `restart()` restores into the next session: the cookies of all sites, the storage of the visited origins,
   * and the page with the size of its window and its timeouts. The page is opened when the first command needs it; if it can't be opened as
   * it was, that command throws `PageNotRestoredError`. An attached session can't be restarted. Default: everything.
   */
  readonly restore?: boolean | RestoreParts;
  /**
   * A file of browser state in the format of Playwright's `storageState`. Each session begins with the content that the file had at the
   * start, and the supervisor updates the file. A file that does not exist counts as empty. Start throws `ConfigError` if the file has
   * another content.
   */
  readonly sessionState?: string;
  /**
   * True if the next session is started in advance and kept ready, so that `restart()` takes a few milliseconds after a death. It needs the
   * memory of a second browser, and on a Grid a second slot. `stop()` ends it. It can't be combined with `userDataDir` or a fixed port of the
   * browser, and an attached session has none. @default false
   */
  readonly standby?: boolean;
  /** Called before each WebDriver command of a session. A returned promise is awaited; a throw refuses the command. */
  readonly beforeCommand?: CommandHook;
  /** The log. Default: nothing is logged. */
  readonly log?: Log;
  /** Aborts a start that is in progress, also the start of a restart. */
  readonly signal?: AbortSignal;
}

/** The options with those that only the layers above use. The public types don't have them. */
export interface ObservedOptions extends SupervisorOptions {
  readonly observer?: SessionObserver;
  /** Called when a start waits in the queue of a Grid, and with undefined when it no longer does. */
  readonly onQueued?: ((state: QueueState | undefined) => void) | undefined;
  /** Records the sessions of this supervisor. */
  readonly recorder?: Recorder | undefined;
  /** A `StandbyKeeper` of the caller, which keeps one standby for several supervisors. It replaces `standby`. */
  readonly standbyKeeper?: object | undefined;
}

const SUPERVISOR_OPTION_KINDS = {
  gridUrl: TEXT,
  gridProxy: TEXT,
  gridAgent: OBJECT,
  browserPath: TEXT,
  driverPath: TEXT,
  owner: TEXT,
  baseUrl: TEXT,
  heartbeatIntervalMs: MILLISECONDS,
  heartbeatTimeoutMs: MILLISECONDS,
  commandTimeoutMs: MILLISECONDS,
  startTimeoutMs: MILLISECONDS,
  apiRetries: COUNT,
  apiTimeoutMs: MILLISECONDS,
  perHost: OBJECT,
  criticalFailureThreshold: POSITIVE_COUNT,
  restartLimit: OBJECT,
  restore: FLAG_OR_OBJECT,
  sessionState: TEXT,
  standby: FLAG,
  standbyKeeper: OBJECT,
  beforeCommand: FUNCTION,
  observer: OBJECT,
  onQueued: FUNCTION,
  recorder: OBJECT,
  log: OBJECT,
  signal: SIGNAL,
} satisfies Record<Exclude<keyof ObservedOptions, keyof BrowserOptions>, OptionKind>;

const RESTART_LIMIT_KINDS = {
  limit: COUNT,
  windowMs: MILLISECONDS,
  firstBackoffMs: COUNT,
} satisfies Record<keyof RestartLimitOptions, OptionKind>;
const RESTORE_KINDS = { cookies: FLAG, storage: FLAG, page: FLAG } satisfies Record<keyof RestoreParts, OptionKind>;

/**
 * Returns the options. Throws `ConfigError` for one that does not exist or has another type, and for one that the browser can't take. `what`
 * names the function that was given them, and `further` the options that it has besides.
 */
export function validateSupervisorOptions<Options extends SupervisorOptions>(
  options: Options,
  { what = 'SessionSupervisor', further = {} }: { readonly what?: string; readonly further?: OptionKinds } = {},
): Options {
  if (options instanceof Capabilities) {
    throw new ConfigError(
      `${what} takes an object of options. Pass selenium’s Capabilities or chrome.Options as one of them: { capabilities: options }.`,
    );
  }
  validateOptions(what, options, { ...SUPERVISOR_OPTION_KINDS, ...BROWSER_OPTION_KINDS, ...further });
  const { maxSockets = Infinity, maxTotalSockets = Infinity } = options.gridAgent ?? {};
  if (Math.min(maxSockets, maxTotalSockets) < 2)
    throw new ConfigError(
      'The option gridAgent allows only one connection at a time; a session needs a second one for its heartbeat. Raise its maxSockets.',
    );
  const { perHost, restartLimit, restore } = options;
  if (perHost !== undefined) validatePerHost(perHost);
  if (restartLimit !== undefined) validateOptions('restartLimit', restartLimit, RESTART_LIMIT_KINDS);
  if (typeof restore === 'object') validateOptions('restore', restore, RESTORE_KINDS);
  validateBrowserOptions(options);
  if (options.standby === true) assertStandbyPossible(options);
  assertProxyInstalled(options);
  return options;
}

/** Returns the options of an attached session. Throws `ConfigError` for one that needs a restart. */
export function validateAttachOptions(options: SupervisorOptions): SupervisorOptions {
  if (options.standby !== true) return options;
  throw new ConfigError(
    'An attached session can’t be restarted, so it has no standby. Remove the option `standby`, or start the session with SessionSupervisor.start.',
  );
}

/** Throws `ConfigError` if only one browser at a time can have the options. */
export function assertStandbyPossible(options: BrowserOptions): void {
  if (!isForOneBrowser(options)) return;
  throw new ConfigError(
    'A standby is a second browser, and two browsers can’t use one profile or one port. Remove `standby`, or the profile folder (USER_DATA_DIR, --user-data-dir) and the port (--remote-debugging-port).',
  );
}

function validatePerHost(perHost: HostLimitOptions): void {
  try {
    validateHostLimits(perHost);
  } catch (thrown) {
    throw new ConfigError(toError(thrown).message, { cause: thrown });
  }
}

/** The events of a supervisor. Each one announces a fact that has already happened. */
export interface SupervisorEvents {
  'session:started': { readonly owner: string; readonly epoch: number; readonly sessionId: string };
  'session:dead': { readonly owner: string; readonly epoch: number; readonly death: Death };
  /** The session was ended on purpose: by `stop()`, or by the action's own `quit()`. */
  'session:ended': { readonly owner: string; readonly epoch: number };
  heartbeat: { readonly epoch: number; readonly at: Date };
  /** Emitted once per death that found work in progress. */
  'work:cancelled': { readonly epoch: number; readonly queued: number; readonly inFlight: number };
}

/** The state of one session at one moment. */
export interface SupervisorHealth {
  readonly isAlive: boolean;
  readonly state: SupervisorStatus;
  readonly epoch: number;
  readonly lastHeartbeatAt: string | null;
  readonly heartbeatIntervalMs: number;
  readonly shouldHalt: boolean;
  readonly deathDetected: boolean;
  readonly deathAt: string | null;
  readonly death: Death | null;
  /** The number of batch items, API calls and commands in progress. */
  readonly parallelOperations: number;
  /** The number of units of work that this session's death cancelled, aborted or refused. */
  readonly cascadeCount: number;
}

export const DEFAULT_HEARTBEAT_INTERVAL_MS = 5_000;
export const DEFAULT_HEARTBEAT_TIMEOUT_MS = 3_000;
export const DEFAULT_COMMAND_TIMEOUT_MS = 120_000;
