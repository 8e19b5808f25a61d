/** `supervise` runs existing code, such as a script, with a supervised session. */
import type { Death } from '../model/death.ts';
import { anySignal } from '../core/abort.ts';
import { ConfigError } from '../core/errors.ts';
import { guardLog, silentLog } from '../core/log.ts';
import { COUNT, FUNCTION, type OptionKind } from '../core/option-kinds.ts';
import {
  deathSignalOf,
  SessionSupervisor,
  validateSupervisorOptions,
  type Api,
  type RestoreParts,
  type SupervisorOptions,
  type WebDriver,
} from '../supervisor/supervisor.ts';
import { DEFAULT_RETRIES, runOnSession } from './attempt.ts';

/** The session that the body of {@link supervise} works with. */
export interface SuperviseTools {
  /** Selenium's driver of this attempt's session. */
  readonly driver: WebDriver;
  /** HTTP calls with the session's cookies. */
  readonly api: Api;
  /** Aborts when the session dies, and when the `signal` of the options aborts. */
  readonly signal: AbortSignal;
  /** The number of the attempt, starting at 1. */
  readonly attempt: number;
}

export type SuperviseBody<Value> = (tools: SuperviseTools) => Value | Promise<Value>;

/** The argument of {@link SuperviseOptions.onRetry}. */
export interface SuperviseRetry {
  readonly death: Death;
  /** The number of the attempt that begins now, starting at 2. */
  readonly attempt: number;
}

export interface SuperviseOptions extends SupervisorOptions {
  /** The maximum number of further attempts after deaths of the session. @default 2 */
  readonly retries?: number;
  /** Called before the body is run again. A returned promise is awaited. If it throws or rejects, the call rejects with that error. */
  readonly onRetry?: (retry: SuperviseRetry) => void | Promise<void>;
  /**
   * The parts of a dead session's state that are restored into the session of the next attempt; see `SupervisorOptions.restore`.
   * @default false, because the body runs again from its beginning
   */
  readonly restore?: boolean | RestoreParts;
  /** Ends the start of a session, the body and the wait for the next session when it aborts. The call rejects with its reason. */
  readonly signal?: AbortSignal;
}

const FURTHER_KINDS = {
  retries: COUNT,
  onRetry: FUNCTION,
} satisfies Record<Exclude<keyof SuperviseOptions, keyof SupervisorOptions>, OptionKind>;

/** Throws `ConfigError` if `body` is not a function, or if an option does not exist or has another type. `what` is the name of the caller. */
export function validateSupervise(what: string, body: unknown, options: SuperviseOptions): void {
  if (typeof body !== 'function')
    throw new ConfigError(`${what} takes a function that is given the session, such as async ({ driver }) => { … }.`);
  validateSupervisorOptions(options, { what, further: FURTHER_KINDS });
}

/**
 * Starts a browser session, runs `body` with it, ends the session and returns the body's value. If the session dies meanwhile, the result
 * or error of `body` is dropped, and `body` is run again from its beginning on a new session. No process and no folder is left when the
 * returned promise settles.
 *
 * @throws the unchanged error of `body` if its session is alive; `SessionDeathError` if the session of the last attempt died;
 * `CriticalFailureError` if the API failed too often in a row, also if `body` caught that; `SessionStartError` and `RestartLimitError` if
 * no session can be started; `ConfigError` before anything is started; the reason of `options.signal`.
 *
 * @example
 * const title = await supervise(async ({ driver }) => {
 *   await driver.get('https://example.com');
 *   return driver.getTitle();
 * });
 */
export async function supervise<Value>(body: SuperviseBody<Value>, options: SuperviseOptions = {}): Promise<Value> {
  validateSupervise('supervise', body, options);
  const { retries = DEFAULT_RETRIES, onRetry, restore = false, ...given } = options;
  const log = guardLog(given.log ?? silentLog);
  const signal = anySignal(given.signal);
  await using supervisor = await SessionSupervisor.start({ ...given, restore });
  for (let attempt = 1; ; attempt += 1) {
    const { driver, api } = supervisor;
    const tools = { driver, api, signal: anySignal(deathSignalOf(supervisor.signal), signal), attempt };
    const ending = await runOnSession(supervisor, () => body(tools), { signal, name: 'the body', log });
    if (ending.kind === 'returned') return ending.value;
    if (attempt > retries) throw ending.error;
    await onRetry?.({ death: ending.error.death, attempt: attempt + 1 });
    await supervisor.restart();
  }
}
