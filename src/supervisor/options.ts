/** What a supervisor is given, what it tells, and what it shows of itself. */
import type { Death, DeathReport } from '../model/death.ts';
import type { Log } from '../core/log.ts';
import { ConfigError } from '../core/errors.ts';
import {
  BROWSER_OPTION_NAMES,
  Capabilities,
  validateBrowserOptions,
  type BrowserOptions,
  type CommandHook,
  type RestoreParts,
} from '../driver/driver.ts';
import type { HostLimitOptions } from './host-limits.ts';
import type { RestartLimitOptions } from './restart-limit.ts';
import type { SupervisorStatus } from './state.ts';
import type { TargetOptions } from './target.ts';

export interface SupervisorOptions extends TargetOptions, BrowserOptions {
  /** Whom the session belongs to; only a name here. Default `anonymous`. */
  readonly owner?: string;
  /** What relative API URLs stand against. Default: the current page. */
  readonly baseUrl?: string;
  /** A session is probed when it has shown no sign of life for so long. Default 5 000 ms. */
  readonly heartbeatIntervalMs?: number;
  /** A probe without an answer for so long is a death. Default 3 000 ms. */
  readonly heartbeatTimeoutMs?: number;
  /** The least deadline of a command; a session's own longer page load or script timeout extends it. Default 120 000 ms. */
  readonly commandTimeoutMs?: number;
  /** Further attempts of an API call. Default 4. */
  readonly apiRetries?: number;
  /** The limit of one API attempt. Default 30 000 ms. */
  readonly apiTimeoutMs?: number;
  /** Limits the API calls of a session to each host. @default no limit */
  readonly perHost?: HostLimitOptions;
  /** So many API calls failing in a row are a critical failure. Default 10. */
  readonly criticalFailureThreshold?: number;
  readonly restartLimit?: RestartLimitOptions;
  /**
   * What `restart()` brings into the next session: the cookies of all sites, the storage of the origins visited, and the page with the size
   * of its window and the timeouts. The page is opened when the first command needs one; a page that can't be opened as it was makes it
   * throw `PageNotRestoredError`. An attached session has no next one. Default: everything.
   */
  readonly restore?: boolean | RestoreParts;
  /**
   * A file of browser state in the format of Playwright's `storageState`. Each session begins with what it held at the start, and the
   * file is kept up to date. A file that does not exist is empty. Start throws `ConfigError` if the file holds something else.
   */
  readonly sessionState?: string;
  /**
   * Asked before a death is declared, by whoever knows of reasons behind the reported one (a lease that ran out while this program was
   * suspended). Undefined: the report stands, at once. A promise is waited for, for 2 s at the most.
   */
  readonly explainDeath?: (report: DeathReport) => Promise<DeathReport> | undefined;
  /** Called before each WebDriver command of a session. A returned promise is awaited; a throw refuses the command. */
  readonly beforeCommand?: CommandHook;
  /**
   * Called before each WebDriver command but a quit, and before each attempt of an API call, by whoever must prove first that the session is
   * still its own. A returned promise is awaited; a rejection refuses the command or fails the attempt.
   */
  readonly beforeSend?: () => Promise<void> | undefined;
  /**
   * Called with the temporary folder that a session on this machine is about to get, before the folder is made and the driver is started. The
   * start waits for the promise, and fails if it rejects.
   */
  readonly onFolder?: (folder: string) => Promise<void>;
  /** Called when a page submits a form by POST, if DevTools can tell. */
  readonly onPagePost?: () => void;
  /** Default: nothing is logged. */
  readonly log?: Log;
  /** Ends a start that is under way, also that of a restart. */
  readonly signal?: AbortSignal;
}

const SUPERVISOR_OPTION_NAMES: readonly string[] = Object.keys({
  gridUrl: true,
  gridProxy: true,
  gridAgent: true,
  browserPath: true,
  driverPath: true,
  owner: true,
  baseUrl: true,
  heartbeatIntervalMs: true,
  heartbeatTimeoutMs: true,
  commandTimeoutMs: true,
  apiRetries: true,
  apiTimeoutMs: true,
  perHost: true,
  criticalFailureThreshold: true,
  restartLimit: true,
  restore: true,
  sessionState: true,
  explainDeath: true,
  beforeCommand: true,
  beforeSend: true,
  onFolder: true,
  onPagePost: true,
  log: true,
  signal: true,
} satisfies Record<Exclude<keyof SupervisorOptions, keyof BrowserOptions>, true>);

/** Returns the options. Throws `ConfigError` for one that does not exist, and for one of the browser that it can't take. */
export function validateSupervisorOptions(options: SupervisorOptions): SupervisorOptions {
  if (options instanceof Capabilities) {
    throw new ConfigError(
      'SessionSupervisor takes options, and selenium’s Capabilities or chrome.Options as one of them: { capabilities: options }.',
    );
  }
  const known = [...SUPERVISOR_OPTION_NAMES, ...BROWSER_OPTION_NAMES];
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new ConfigError(`SessionSupervisor knows no option ${unknown.join(', ')}. It knows ${known.join(', ')}.`);
  const { maxSockets = Infinity, maxTotalSockets = Infinity } = options.gridAgent ?? {};
  if (Math.min(maxSockets, maxTotalSockets) < 2)
    throw new ConfigError(
      'The option gridAgent allows only one connection at a time; a session needs a second one for its heartbeat. Raise its maxSockets.',
    );
  validateBrowserOptions(options);
  return options;
}

/** What listeners are told; each is a fact that has happened. */
export interface SupervisorEvents {
  'session:started': { readonly owner: string; readonly epoch: number; readonly sessionId: string };
  'session:dead': { readonly owner: string; readonly epoch: number; readonly death: Death };
  /** Asked for: `stop()`, or the action's own `quit()`. */
  'session:ended': { readonly owner: string; readonly epoch: number };
  heartbeat: { readonly epoch: number; readonly at: Date };
  /** Once per death that found work under way. */
  'work:cancelled': { readonly epoch: number; readonly queued: number; readonly inFlight: number };
}

/** Everything of one session at one moment. */
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
  /** Batch items, API calls and commands under way. */
  readonly parallelOperations: number;
  /** Work that this session's death cancelled, aborted or refused. */
  readonly cascadeCount: number;
}

export const DEFAULT_HEARTBEAT_INTERVAL_MS = 5_000;
export const DEFAULT_HEARTBEAT_TIMEOUT_MS = 3_000;
export const DEFAULT_COMMAND_TIMEOUT_MS = 120_000;
