/**
 * A driver process of our own: in a process group and a temporary folder that belong to nobody else, so that one signal ends driver,
 * browser and all their children, and one removal clears the profile.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { settlesWithin } from '../core/abort.ts';
import { browserEnvironment } from '../config/config.ts';
import { toError } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import { SessionStartError } from './death.ts';
import { FOLDER_PREFIX, killGroup } from './reap.ts';
import { findStartReason } from './start-reasons.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

/** How long a driver may take until it listens. On an idle machine it takes 20 ms. */
const LISTEN_LIMIT_MS = 20_000;
/** chromedriver takes a free port for IPv6 and then wants the same for IPv4, which somebody else may have got meanwhile (seen on 156). */
const PORT_TAKEN = /Address already in use/;
const BIND_ATTEMPTS = 3;
const ENDED_BY_SIGNAL = 'the driver was ended by';
/** How long the words of a driver that has exited may be on their way. */
const LAST_WORDS_MS = 100;
/** How long killed processes may take to leave the process table. */
const EXIT_LIMIT_MS = 5_000;
/** A Unix socket's path ends at 104 characters (macOS) and Chromium appends about 60 to the folder. */
const LONGEST_TEMP_ROOT = 30;
/** What is kept of the driver's own words, for a start that fails. */
const OUTPUT_TAIL = 4_000;

export interface LaunchOptions {
  readonly driverPath: string;
  /** Further variables of the driver and its browser. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** See `SupervisorOptions`. */
  readonly onFolder?: (folder: string) => Promise<void>;
  /** Told once, when the driver has exited without being asked to. */
  readonly onExit: (description: string) => void;
  readonly signal: AbortSignal;
}

interface DriverParts {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly watchdog: Watchdog;
  /** Resolves, with a description, when the process is gone or could not be started. */
  readonly exited: Promise<string>;
  readonly output: DriverOutput;
}

/** A listening driver process and everything that belongs to it. */
export class DriverProcess {
  /** Its path is random: whoever knows it can use the driver. */
  readonly url: string;
  readonly #parts: DriverParts;
  #ending: Promise<void> | undefined;

  /** Throws {@link SessionStartError} when the driver can't be started or doesn't listen in time; nothing is left then. */
  static async launch(options: LaunchOptions): Promise<DriverProcess> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await DriverProcess.#launchOnce(options);
      } catch (thrown) {
        if (attempt === BIND_ATTEMPTS || !PORT_TAKEN.test(toError(thrown).message)) throw thrown;
      }
    }
  }

  static async #launchOnce({
    driverPath,
    environment,
    onFolder,
    onExit,
    signal,
  }: LaunchOptions): Promise<DriverProcess> {
    signal.throwIfAborted();
    const folder = path.join(temporaryRoot(), `${FOLDER_PREFIX}${randomBytes(4).toString('base64url')}`);
    await onFolder?.(folder);
    signal.throwIfAborted();
    // Before there is a folder: a program that is killed between the two must not leave one.
    const watchdog = startWatchdog(folder);
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (thrown) {
      await watchdog.disarm();
      throw thrown;
    }
    // Pages of this machine and users of another container reach the port, and do not know the path.
    const basePath = `/${randomBytes(16).toString('hex')}`;
    let child: ChildProcess;
    try {
      child = spawn(driverPath, ['--port=0', `--url-base=${basePath}`, '--enable-chrome-logs'], {
        detached: true,
        env: browserEnvironment({ ...environment, TMPDIR: folder }),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (thrown) {
      // Most failures come as an event; some, such as macOS's for another machine's program, are thrown.
      await clearAway(folder, watchdog);
      throw notStarted(driverPath, toError(thrown).message);
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
      const port = await waitForPort({ output: parts.output, exited, driverPath, signal });
      return new DriverProcess(parts, { url: `http://127.0.0.1:${port}${basePath}`, onExit });
    } catch (thrown) {
      await endParts(parts);
      throw thrown;
    }
  }

  private constructor(parts: DriverParts, { url, onExit }: { url: string; onExit: (description: string) => void }) {
    this.#parts = parts;
    this.url = url;
    void parts.exited.then((description) => {
      if (this.#ending === undefined) onExit(description);
    });
  }

  /** Also the id of its process group. */
  get pid(): number {
    return this.#parts.child.pid ?? -1;
  }

  get folder(): string {
    return this.#parts.folder;
  }

  /** The last words of the driver and its browser. */
  get lastWords(): string {
    return this.#parts.output.tail();
  }

  /** Whether the process has exited or does so within `limitMs`. */
  exitsWithin(limitMs: number): Promise<boolean> {
    return settlesWithin(this.#parts.exited, limitMs);
  }

  /** Ends driver, browser and children without asking and removes their folder. Idempotent; resolves when nothing is left. */
  killNow(): Promise<void> {
    this.#ending ??= endParts(this.#parts);
    return this.#ending;
  }
}

async function endParts({ child, folder, watchdog, exited }: DriverParts): Promise<void> {
  // The group outlives its leader: a driver that is gone leaves its browser behind in it.
  if (child.pid !== undefined) killGroup(child.pid);
  await settlesWithin(exited, EXIT_LIMIT_MS);
  await clearAway(folder, watchdog);
}

async function clearAway(folder: string, watchdog: Watchdog): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  } catch (thrown) {
    watchdog.handOver();
    throw thrown;
  }
  await watchdog.disarm();
}

function temporaryRoot(): string {
  const root = tmpdir();
  if (root.length <= LONGEST_TEMP_ROOT) return root;
  try {
    accessSync('/tmp', constants.W_OK);
    return '/tmp';
  } catch {
    return root;
  }
}

interface DriverOutput {
  /** The last words. */
  readonly tail: () => string;
  readonly onText: (listener: (tail: string) => void) => void;
  /** Resolves when there is no more to come; that may be later than the exit, and while a browser lives it is. */
  readonly closed: Promise<void>;
}

/** Both streams are read for ever: a driver that writes into a full pipe would stand still. */
function collectOutput(child: ChildProcess): DriverOutput {
  let tail = '';
  const listeners = new Set<(text: string) => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-OUTPUT_TAIL);
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
  signal,
}: {
  output: DriverOutput;
  exited: Promise<string>;
  driverPath: string;
  signal: AbortSignal;
}): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  // chromedriver first says "on port 0", then, when it listens, "started successfully on port N."
  output.onText((text) => {
    const match = /started successfully on port (\d+)\D/.exec(text);
    if (match !== null) resolve(Number(match[1]));
  });
  const fail = (what: string) => reject(notStarted(driverPath, what, output.tail()));
  void exited.then(async (what) => {
    await settlesWithin(output.closed, LAST_WORDS_MS);
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

function notStarted(driverPath: string, what: string, output = ''): SessionStartError {
  const words = redactText(output.trim()).slice(-300);
  const reason = findStartReason(`${what}\n${output}`, [driverPath]);
  // Killed by somebody, or by a system without memory.
  const isInterrupted = what.startsWith(ENDED_BY_SIGNAL);
  const advice = 'set CHROMEDRIVER to a chromedriver that fits the browser.';
  return new SessionStartError(
    reason === undefined
      ? `The driver ${driverPath} did not start: ${what}${words === '' ? '' : `; it said: ${words}`}. See \`npm run doctor\`, or ${advice}`
      : `The driver ${driverPath} did not start: ${reason}, or ${advice}`,
    { data: { driverPath }, isInterrupted },
  );
}
