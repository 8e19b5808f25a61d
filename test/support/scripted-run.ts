import { AsyncLocalStorage } from 'node:async_hooks';

import {
  defineAction,
  loadConfig,
  z,
  type ActionContext,
  type Config,
  type Log,
  type PrepareContext,
  type RunOptions,
  type RunOutcome,
  type SessionSupervisor,
} from 'webdriver-supervisor';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import { MEMORY_REGISTRY_URL } from '../../src/registry/registry.ts';
import { prepareRun, type Run } from '../../src/runs/runs.ts';

const outside = AsyncLocalStorage.snapshot();

/** The second argument of a test's action, beside its context. */
export interface Stage {
  readonly server: ScriptedWebDriver;
  /** The run itself, so that its action can read its progress. */
  readonly run: Run;
  /** The run's own supervisor, then those of pool slots in the order of their starts. */
  readonly supervisors: readonly SessionSupervisor[];
  /** The number of calls of `run`, including this one. */
  readonly entry: number;
  /** Ends a session (the run's own by default) as another client would, and sends a command that detects it. */
  readonly die: (supervisor?: SessionSupervisor) => Promise<void>;
}

export interface LogLine {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

export interface ScriptedRun {
  readonly run: (context: ActionContext, stage: Stage) => Promise<void> | void;
  readonly prepare?: (context: PrepareContext, stage: Stage) => Promise<void> | void;
  readonly baseUrl?: string;
  readonly owner?: string;
  readonly options?: RunOptions;
  /** Default: a new server, which is closed when the run is over. */
  readonly server?: ScriptedWebDriver;
}

export interface ScriptedResult {
  readonly outcome: RunOutcome;
  /** The code of `outcome.error`. */
  readonly code: string | undefined;
  readonly entries: number;
  readonly warnings: readonly LogLine[];
  /** The number of sessions that the server still has at the end. */
  readonly left: number;
}

/** Runs an action, given as a function, against a WebDriver server without a browser. It writes files only if the options ask for them. */
export async function runScripted(given: ScriptedRun): Promise<ScriptedResult> {
  const { run: work, prepare, baseUrl, owner, options = {} } = given;
  const server = given.server ?? (await openScriptedWebDriver());
  const supervisors: SessionSupervisor[] = [];
  const warnings: LogLine[] = [];
  let entry = 0;
  const stage = (): Stage => ({
    server,
    run,
    supervisors,
    entry,
    die: async (supervisor = supervisors[0]!) => {
      server.endSession(supervisor.sessionId);
      // The command is sent outside of any step: two steps that use one window at the same time would be refused.
      await outside(() => supervisor.driver.getTitle()).catch(() => undefined);
    },
  });
  const action = defineAction({
    name: 'scripted',
    description: 'An action of a test.',
    params: z.object({}),
    ...(baseUrl === undefined ? {} : { baseUrl: () => baseUrl }),
    ...(owner === undefined ? {} : { owner: () => owner }),
    ...(prepare === undefined ? {} : { prepare: (context) => prepare(context, stage()) }),
    run: (context) => {
      entry += 1;
      return work(context, stage());
    },
  });
  let run: Run;
  try {
    run = await prepareRun(
      action,
      {},
      {
        output: false,
        config: makeTestConfig(),
        log: makeWarningLog(warnings),
        ...options,
        supervisor: { gridUrl: server.url, ...options.supervisor },
        onSession: (supervisor) => {
          supervisors.push(supervisor);
          return options.onSession?.(supervisor);
        },
      },
    );
    const outcome = await run.execute();
    return { outcome, code: outcome.error?.code, entries: entry, warnings, left: server.sessionIds.length };
  } finally {
    if (given.server === undefined) await server.close();
  }
}

/** Returns the default configuration, without this machine's environment and configuration files, except for `changes`. */
export function makeTestConfig(changes: Partial<Config> = {}): Config {
  return { ...loadConfig({ environment: {}, folder: '/nonexistent' }), registryUrl: MEMORY_REGISTRY_URL, ...changes };
}

function makeWarningLog(warnings: LogLine[]): Log {
  const log: Log = {
    error: (message, fields) => void warnings.push({ message, fields }),
    warn: (message, fields) => void warnings.push({ message, fields }),
    info: () => undefined,
    debug: () => undefined,
    child: () => log,
  };
  return log;
}

/** Returns a promise that never settles, as code that hangs does. */
export function never(): Promise<never> {
  return new Promise(() => undefined);
}
