/**
 * Keeps one standby for one or more supervisors with the same browser: starts it when a session is up, replaces it when it has died or is
 * old, and hands it to the supervisor whose session ends first.
 */
import { browserEnvironment } from '../../config/config.ts';
import { raceSignal } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { SessionEndedError, toPlainCapabilities, type BrowserSession } from '../../driver/driver.ts';
import { CleanUps } from '../clean-ups.ts';
import type { SupervisorOptions } from '../options.ts';
import { Standby } from './standby.ts';

/** The default wait before a standby is started, so that it does not slow down the work with which a new session begins. */
const START_DELAY_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
/** The age at which a standby is replaced. Old browsers have grown, and their defaults may be out of date. */
const MAX_AGE_MS = 30 * 60_000;

/** The options that a standby and its supervisor must have in common. */
const SHARED_NAMES = [
  'headless',
  'arguments',
  'browserName',
  'bidi',
  'quiet',
  'proxy',
  'acceptInsecureCerts',
  'downloadDir',
  'gridUrl',
  'gridProxy',
  'browserPath',
  'driverPath',
  'commandTimeoutMs',
  'heartbeatIntervalMs',
  'heartbeatTimeoutMs',
] as const satisfies readonly (keyof SupervisorOptions)[];

export interface StandbyKeeperOptions {
  readonly log: Log;
  /** The age in milliseconds at which a standby is replaced. Default 30 minutes. */
  readonly maxAgeMs?: number;
  /** The wait in milliseconds before a standby is started. It doubles with each standby in a row that is lost. Default 1 s. */
  readonly startDelayMs?: number;
}

/** A standby that waits or is being started. */
interface Kept {
  readonly inputs: string;
  readonly abort: AbortController;
  /** Resolves with undefined if the standby could not be started. */
  starting: Promise<Standby | undefined>;
}

export class StandbyKeeper {
  readonly #log: Log;
  readonly #maxAgeMs: number;
  readonly #startDelayMs: number;
  readonly #cleanUps: CleanUps;
  #kept: Kept | undefined;
  /** The time of the next start, or of the replacement of a standby that waits. */
  #timer: NodeJS.Timeout | undefined;
  /** The number of standbys in a row that could not be started or have died. */
  #failures = 0;

  constructor({ log, maxAgeMs = MAX_AGE_MS, startDelayMs = START_DELAY_MS }: StandbyKeeperOptions) {
    this.#startDelayMs = startDelayMs;
    this.#log = log;
    this.#maxAgeMs = maxAgeMs;
    this.#cleanUps = new CleanUps({ log });
  }

  /** Starts a standby in one second, unless there is one, or one is due. Called when a supervisor's session is up. */
  beginSoon(options: SupervisorOptions): void {
    if (this.#kept === undefined && this.#timer === undefined) this.#schedule(options);
  }

  /**
   * Returns the standby, which then belongs to the caller; undefined if there is none, or if it has other options. A start in progress is
   * awaited, because it ends before a new one would. Rejects with the signal's reason.
   */
  async take(options: SupervisorOptions, signal: AbortSignal | undefined): Promise<Standby | undefined> {
    const kept = this.#kept;
    if (kept !== undefined && kept.inputs !== inputsOf(options)) return undefined;
    // Also delays a start that is due, so that it does not slow down the start of the session.
    this.#forget();
    if (kept === undefined) return undefined;
    this.#failures = 0;
    try {
      return await (signal === undefined ? kept.starting : raceSignal(kept.starting, signal));
    } catch (thrown) {
      this.#end(kept);
      throw thrown;
    }
  }

  /** Ends the standby. Resolves when nothing of it is left. A later {@link beginSoon} starts another one. */
  async stop(): Promise<void> {
    const kept = this.#kept;
    this.#forget();
    if (kept !== undefined) this.#end(kept);
    await this.#cleanUps.finish();
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#kept = undefined;
  }

  #schedule(options: SupervisorOptions): void {
    const start = () => {
      this.#timer = undefined;
      this.#start(options);
    };
    this.#timer = setTimeout(start, Math.min(this.#startDelayMs * 2 ** this.#failures, MAX_BACKOFF_MS)).unref();
  }

  #start(options: SupervisorOptions): void {
    const abort = new AbortController();
    const kept: Kept = { inputs: inputsOf(options), abort, starting: Promise.resolve(undefined) };
    this.#kept = kept;
    const replace = () => {
      this.#forget();
      this.#end(kept);
      this.#schedule(options);
    };
    const onFailure = (what: string, reason: string) => {
      if (this.#kept !== kept) return;
      this.#failures += 1;
      this.#log.info(what, { reason });
      replace();
    };
    kept.starting = Standby.start(options, {
      signal: abort.signal,
      onDeath: (reason) => onFailure('The standby has died; another one is started', reason),
      log: this.#log,
    }).then(
      (standby) => {
        if (this.#kept !== kept) return standby;
        this.#log.debug('A session waits for its promotion', { browser: standby.session.browserPid });
        this.#timer = setTimeout(replace, this.#maxAgeMs).unref();
        return standby;
      },
      (thrown: unknown) => {
        onFailure('The standby could not be started; the start is repeated', toError(thrown).message);
        return undefined;
      },
    );
  }

  #end({ abort, starting }: Kept): void {
    abort.abort(new SessionEndedError());
    let session: BrowserSession | undefined;
    const end = async (standby: Standby | undefined) => {
      session = standby?.session;
      await standby?.end();
    };
    this.#cleanUps.add(starting.then(end), () => session);
  }
}

/** Returns all that a standby gets from the options and from the environment of its program. */
function inputsOf(options: SupervisorOptions): string {
  const { capabilities = {}, environment = {} } = options;
  const shared = SHARED_NAMES.map((name) => options[name]);
  return JSON.stringify([shared, toPlainCapabilities(capabilities), browserEnvironment(environment)]);
}
