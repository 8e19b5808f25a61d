/**
 * A driver process that this program starts. It has its own process group and its own temporary folder, so that one signal ends the driver,
 * the browser and all their children, and one removal deletes the profile.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import path from 'node:path';

import { settlesWithin } from '../core/abort.ts';
import { browserEnvironment } from '../config/config.ts';
import { toError } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import { SessionStartError } from './death.ts';
import { driverFamilyOf, type DriverFamily } from './driver-family.ts';
import { nameProgram, temporaryRoot } from './program-folder.ts';
import { FOLDER_PREFIX, killGroup } from './reap.ts';
import { findStartReason } from './start-reasons.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

/** The time limit for a driver to listen on its port. On an idle machine it takes 20 ms. */
const LISTEN_LIMIT_MS = 20_000;
/**
 * chromedriver takes a free port for IPv6 and then the same port for IPv4, which another program may have taken in between (seen on 156).
 */
const PORT_TAKEN = /Address already in use/;
const MAX_BIND_ATTEMPTS = 3;
const ENDED_BY_SIGNAL = 'the driver was ended by';
/** The time limit for the remaining output of a driver that has exited. */
const LAST_OUTPUT_LIMIT_MS = 100;
/** The time limit for killed processes to leave the process table. */
const EXIT_LIMIT_MS = 5_000;
/** The length of the driver's last output that is stored, in characters. It explains a start that fails. */
const MAX_OUTPUT_LENGTH = 4_000;

export interface LaunchOptions {
  readonly driverPath: string;
  /** The family of the driver. Default: Chrome's. */
  readonly family?: DriverFamily | undefined;
  /** Additional environment variables of the driver and its browser. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** See `SessionObserver`. */
  readonly onFolder?: (folder: string) => Promise<void>;
  /** May have a driver already. */
  readonly ahead?: DriverSource | undefined;
  /** True if the driver waits for its use. Then its folder names this program, and the program can end while the driver runs. */
  readonly isAhead?: boolean;
  /** Called once, when the driver has exited without a request to do so. */
  readonly onExit: (description: string) => void;
  readonly signal: AbortSignal;
}

export interface DriverSource {
  /** True if the next driver was started before it was asked for. */
  readonly isWaiting: boolean;
  /** Returns a driver as `DriverProcess.launch` does, or undefined. */
  take(options: LaunchOptions): Promise<DriverProcess | undefined>;
}

interface DriverParts {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly watchdog: Watchdog;
  /** Resolves with a description when the process has exited or could not be started. */
  readonly exited: Promise<string>;
  readonly output: DriverOutput;
}

/** A listening driver process with its folder and its watchdog. */
export class DriverProcess {
  /** The driver's URL. chromedriver's path is random and works as a password: a program that knows it can use the driver. */
  readonly url: string;
  readonly #parts: DriverParts;
  #onExit: (description: string) => void;
  #ending: Promise<void> | undefined;

  /**
   * Starts a driver. Throws {@link SessionStartError} if the driver can't be started or does not listen in time; no process or folder is
   * left then.
   */
  static async launch(options: LaunchOptions): Promise<DriverProcess> {
    const waiting = await options.ahead?.take(options);
    if (waiting !== undefined) return waiting;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await DriverProcess.#launchOnce(options);
      } catch (thrown) {
        if (attempt === MAX_BIND_ATTEMPTS || !PORT_TAKEN.test(toError(thrown).message)) throw thrown;
      }
    }
  }

  static async #launchOnce({
    driverPath,
    family = driverFamilyOf(),
    environment,
    onFolder,
    isAhead = false,
    onExit,
    signal,
  }: LaunchOptions): Promise<DriverProcess> {
    signal.throwIfAborted();
    const folder = path.join(temporaryRoot(), `${FOLDER_PREFIX}${randomBytes(4).toString('base64url')}`);
    await onFolder?.(folder);
    signal.throwIfAborted();
    // The watchdog starts before the folder is created, so that a program killed between the two leaves no folder.
    const watchdog = startWatchdog(folder);
    try {
      mkdirSync(folder, { mode: 0o700 });
      if (isAhead) nameProgram(folder);
    } catch (thrown) {
      await removeFolder(folder, watchdog);
      throw thrown;
    }
    const { arguments: switches, basePath } = family.launch(randomBytes(16).toString('hex'), folder);
    let child: ChildProcess;
    try {
      child = spawn(driverPath, switches, {
        detached: true,
        env: browserEnvironment({ ...environment, TMPDIR: folder }),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (thrown) {
      // Most failures are events. Some are thrown, such as the failure of macOS for a program built for another machine.
      await removeFolder(folder, watchdog);
      throw notStarted({ driverPath, family }, toError(thrown).message);
    }
    if (child.pid !== undefined) watchdog.guard(child.pid);
    const exited = new Promise<string>((resolve) => {
      child.once('exit', (code, exitSignal) =>
        resolve(exitSignal === null ? `the driver exited with code ${code}` : `${ENDED_BY_SIGNAL} ${exitSignal}`),
      );
      child.once('error', (error) => resolve(error.message));
    });
    const parts = { child, folder, watchdog, exited, output: collectOutput(child) };
    try {
      const port = await waitForPort({ output: parts.output, exited, driverPath, family, signal });
      const driver = new DriverProcess(parts, { url: `http://127.0.0.1:${port}${basePath}`, onExit });
      if (isAhead) driver.#setRefs('unref');
      return driver;
    } catch (thrown) {
      await endParts(parts);
      throw thrown;
    }
  }

  private constructor(parts: DriverParts, { url, onExit }: { url: string; onExit: (description: string) => void }) {
    this.#parts = parts;
    this.url = url;
    this.#onExit = onExit;
    void parts.exited.then((description) => {
      if (this.#ending === undefined) this.#onExit(description);
    });
  }

  /** Makes a driver that was started ahead the driver of a session. `onExit` replaces the function that was given at its start. */
  use(onExit: (description: string) => void): void {
    this.#onExit = onExit;
    this.#setRefs('ref');
  }

  /** The driver's process id, which is also the id of its process group. */
  get pid(): number {
    return this.#parts.child.pid ?? -1;
  }

  get folder(): string {
    return this.#parts.folder;
  }

  /** The last output of the driver and its browser. */
  get lastOutput(): string {
    return this.#parts.output.tail();
  }

  /** Resolves with true if the process has exited or exits within `limitMs`, otherwise with false. */
  exitsWithin(limitMs: number): Promise<boolean> {
    return settlesWithin(this.#parts.exited, limitMs);
  }

  /** Kills the driver, the browser and their children, and removes their folder. Idempotent. Resolves when nothing is left. */
  killNow(): Promise<void> {
    this.#ending ??= endParts(this.#parts);
    return this.#ending;
  }

  /** Sets whether the driver keeps this program alive. */
  #setRefs(method: 'ref' | 'unref'): void {
    const { child } = this.#parts;
    child[method]();
    for (const stream of [child.stdout, child.stderr]) (stream as Socket | null)?.[method]();
  }
}

async function endParts({ child, folder, watchdog, exited }: DriverParts): Promise<void> {
  // The group outlives its leader: a driver that has exited leaves its browser in the group.
  if (child.pid !== undefined) killGroup(child.pid);
  await settlesWithin(exited, EXIT_LIMIT_MS);
  await removeFolder(folder, watchdog);
}

async function removeFolder(folder: string, watchdog: Watchdog): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  } catch (thrown) {
    watchdog.handOver();
    throw thrown;
  }
  await watchdog.disarm();
}

interface DriverOutput {
  /** Returns the last output. */
  readonly tail: () => string;
  readonly onText: (listener: (tail: string) => void) => void;
  /** Resolves when the output has ended. That may be later than the driver's exit, because the browser writes to the same pipes. */
  readonly closed: Promise<void>;
}

/** Collects the output of both streams. They are always read, because a driver blocks when it writes to a full pipe. */
function collectOutput(child: ChildProcess): DriverOutput {
  let tail = '';
  const listeners = new Set<(text: string) => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-MAX_OUTPUT_LENGTH);
      for (const listener of listeners) listener(tail);
    });
  }
  const closed = new Promise<void>((resolve) => void child.once('close', () => resolve()));
  return { tail: () => tail, onText: (listener) => void listeners.add(listener), closed };
}

async function waitForPort({
  output,
  exited,
  driverPath,
  family,
  signal,
}: {
  output: DriverOutput;
  exited: Promise<string>;
  driverPath: string;
  family: DriverFamily;
  signal: AbortSignal;
}): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  output.onText((text) => {
    const match = family.listening.exec(text);
    if (match !== null) resolve(Number(match[1]));
  });
  const fail = (what: string) => reject(notStarted({ driverPath, family }, what, output.tail()));
  void exited.then(async (what) => {
    await settlesWithin(output.closed, LAST_OUTPUT_LIMIT_MS);
    fail(what);
  });
  const timer = setTimeout(fail, LISTEN_LIMIT_MS, `it was not listening after ${LISTEN_LIMIT_MS / 1000} s`);
  const onAbort = () => reject(toError(signal.reason));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function notStarted(
  { driverPath, family }: { driverPath: string; family: DriverFamily },
  what: string,
  output = '',
): SessionStartError {
  const printed = redactText(output.trim()).slice(-300);
  const reason = findStartReason(`${what}\n${output}`, [driverPath]);
  // Another program killed it, or a system that ran out of memory.
  const isInterrupted = what.startsWith(ENDED_BY_SIGNAL);
  const advice = `set ${family.settings.driver} to a ${family.driver} that fits the browser.`;
  return new SessionStartError(
    reason === undefined
      ? `The driver ${driverPath} did not start: ${what}${printed === '' ? '' : `; its output: ${printed}`}. See \`npm run doctor\`, or ${advice}`
      : `The driver ${driverPath} did not start: ${reason}, or ${advice}`,
    { data: { driverPath }, isInterrupted },
  );
}
