/**
 * A driver process that is started before its session, so that the session costs only the start of its browser. It does not keep the
 * program alive.
 */
import { browserEnvironment } from '../config/config.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { SessionEndedError } from './death.ts';
import type { DriverProcess, DriverSource, LaunchOptions } from './driver-process.ts';
import { readProcessState } from './process-table.ts';

/** The wait before a driver is started, so that it does not slow down the work with which a new session begins. */
const START_DELAY_MS = 1_000;

type DriverOptions = Pick<LaunchOptions, 'driverPath' | 'family' | 'environment'>;

/** A driver that waits or is being started. */
interface Waiting {
  /** All that a driver gets from its program. A driver fits a session if it is the same for both. */
  readonly inputs: string;
  /** Resolves with undefined if the driver could not be started. */
  readonly launching: Promise<DriverProcess | undefined>;
  readonly abort: AbortController;
}

/** Launches the driver of a session that is itself started in advance. */
export const launchAhead: DriverSource = {
  isWaiting: false,
  async take(options) {
    const { DriverProcess: Process } = await import('./driver-process.ts');
    return Process.launch({ ...options, ahead: undefined, isAhead: true });
  },
};

export class DriverAhead implements DriverSource {
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #waiting: Waiting | undefined;
  /** The ends of drivers that no session uses. */
  readonly #endings = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** True if a driver waits or is being started. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Starts a driver in one second, unless one waits already. */
  beginSoon(options: DriverOptions): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(options), START_DELAY_MS).unref();
  }

  /**
   * Returns the waiting driver as `DriverProcess.launch` returns a new one; undefined if none waits that fits. Rejects as `onFolder` does, or
   * with the signal's reason.
   */
  async take({
    driverPath,
    family,
    environment,
    onFolder,
    onExit,
    signal,
  }: LaunchOptions): Promise<DriverProcess | undefined> {
    clearTimeout(this.#timer);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return undefined;
    const onAbort = () => waiting.abort.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const driver = await waiting.launching.finally(() => signal.removeEventListener('abort', onAbort));
    if (driver === undefined) return undefined;
    // A suspended driver would not answer.
    const isReady =
      waiting.inputs === inputsOf({ driverPath, family, environment }) &&
      /^[^TtZX]/.test(readProcessState(driver.pid) ?? '');
    if (!isReady) {
      this.#end(driver);
      return undefined;
    }
    try {
      await onFolder?.(driver.folder);
      signal.throwIfAborted();
    } catch (thrown) {
      await driver.killNow();
      throw thrown;
    }
    driver.use(onExit);
    return driver;
  }

  /** Ends the waiting driver. Resolves when nothing of it is left. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#waiting?.abort.abort(new SessionEndedError());
    await this.#drop();
    await Promise.all(this.#endings);
  }

  #begin(options: DriverOptions): void {
    if (this.#waiting !== undefined) return;
    const abort = new AbortController();
    this.#waiting = { inputs: inputsOf(options), launching: this.#launch(options, abort.signal), abort };
  }

  /** Never rejects: a session without a waiting driver starts its own, and the failure of that start has the reason. */
  async #launch(options: DriverOptions, signal: AbortSignal): Promise<DriverProcess | undefined> {
    try {
      const { DriverProcess: Process } = await import('./driver-process.ts');
      const driver = await Process.launch({ ...options, isAhead: true, signal, onExit: () => void this.#drop() });
      this.#log.debug('A driver waits for the next session', { pid: driver.pid });
      return driver;
    } catch (thrown) {
      if (!signal.aborted) this.#log.debug('No driver could be started ahead', { reason: toError(thrown).message });
      return undefined;
    }
  }

  async #drop(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const driver = await waiting?.launching;
    if (driver !== undefined) this.#end(driver);
  }

  #end(driver: DriverProcess): void {
    const ending = driver
      .killNow()
      .catch((thrown: unknown) =>
        this.#log.error('The cleanup after a waiting driver failed', { reason: toError(thrown).message }),
      )
      .finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
  }
}

function inputsOf({ driverPath, family, environment = {} }: DriverOptions): string {
  return JSON.stringify([driverPath, family?.name, browserEnvironment(environment)]);
}
