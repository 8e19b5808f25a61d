import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RecordedRequest, RequestMatcher } from './request-log.ts';
import type { CutKind } from './wire-faults.ts';

/** A line of a recording driver's log. Times are in milliseconds since 1970 with fractions, comparable between processes. */
export type DriverLogLine =
  | {
      readonly event: 'started';
      /** The recording driver, which the program under test uses as its chromedriver. */
      readonly pid: number;
      /** The real chromedriver, a child of the recording driver in the same process group. */
      readonly driverPid: number;
      readonly port: number;
      /** The real driver's URL. */
      readonly driverUrl: string;
      readonly controlPort: number;
      readonly atEpochMs: number;
    }
  | DriverLogCommand
  | {
      readonly event: 'exited';
      readonly pid: number;
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
      readonly atEpochMs: number;
    };

/** A command as logged at its arrival, before the real driver receives it. */
export interface DriverLogCommand {
  readonly event: 'command';
  readonly pid: number;
  readonly method: string;
  readonly path: string;
  readonly sessionId: string | undefined;
  readonly atEpochMs: number;
}

/** A matcher that can be sent to another process, so it can't be a function. */
export type RemoteMatcher = Exclude<RequestMatcher, (request: RecordedRequest) => boolean>;

/** The requests to the control port of a recording driver, one JSON document per POST. */
export type DriverControl =
  | { readonly do: 'cutNextBody'; readonly matcher: RemoteMatcherText; readonly cut: CutKind }
  | { readonly do: 'swallowNext'; readonly matcher: RemoteMatcherText }
  | { readonly do: 'waitForRequest'; readonly matcher: RemoteMatcherText; readonly count: number }
  | { readonly do: 'waitForFault'; readonly fault: number }
  | { readonly do: 'refuse' }
  | { readonly do: 'restore' };

/** A {@link RemoteMatcher} as JSON. */
export type RemoteMatcherText = string | { readonly source: string; readonly flags: string };

/** A fault armed in a recording driver. */
export interface RemoteFault {
  /** Resolves with the command that the fault affected. Rejects if the driver ends first. */
  struck(): Promise<RecordedRequest>;
}

/** Returns the current time of the log's clock, which is monotonic within a process and comparable between processes. */
export function epochNowMs(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * Writes an executable file that starts like chromedriver and records every command. Returns its path, which the program under test uses as
 * the driver's executable. Several drivers may share the log file, one after the other or concurrently.
 */
export function writeRecordingDriver(options: {
  /** The folder of the executable; created if it does not exist. */
  readonly folder: string;
  /** The real chromedriver. */
  readonly chromedriver: string;
  /** The log file. Lines are appended to it. */
  readonly log: string;
}): string {
  mkdirSync(options.folder, { recursive: true });
  const file = join(options.folder, 'recording-chromedriver');
  // The same extension as this module: .ts in the repository, .js after the build.
  const self = fileURLToPath(import.meta.url);
  const main = join(self, '..', `recording-driver${extname(self)}`);
  const words = [
    process.execPath,
    '--conditions=webdriver-supervisor:source',
    main,
    options.chromedriver,
    resolve(options.log),
  ];
  writeFileSync(file, `#!/bin/sh\nexec ${words.map(quoteForShell).join(' ')} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}

/** Returns the log so far, the oldest line first; empty if no driver has started yet. */
export function readDriverLog(log: string): DriverLogLine[] {
  const text = readIfThere(log);
  // A line without its newline is still being written.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter(Boolean).map((line) => JSON.parse(line) as DriverLogLine);
}

/** Returns the commands in the log; only those of one session if its id is given. */
export function readDriverCommands(log: string, sessionId?: string): DriverLogCommand[] {
  const commands = readDriverLog(log).filter((line) => line.event === 'command');
  return sessionId === undefined ? commands : commands.filter((command) => command.sessionId === sessionId);
}

/** Controls the most recently started recording driver, or the one with this process id, through its control port. */
export function controlDriver(log: string, { pid }: { readonly pid?: number } = {}): DriverRemote {
  const starts = readDriverLog(log).filter((line) => line.event === 'started');
  const start = starts.findLast((line) => pid === undefined || line.pid === pid);
  if (!start)
    throw new Error(`No recording driver${pid === undefined ? '' : ` ${pid}`} has started according to ${log}.`);
  return new DriverRemote(start);
}

/**
 * A client of a recording driver in another process. It controls the faults of the driver's proxy by HTTP. Every call rejects after the
 * driver has ended.
 */
export class DriverRemote {
  readonly pid: number;
  readonly driverPid: number;
  readonly #controlPort: number;

  constructor(start: Extract<DriverLogLine, { event: 'started' }>) {
    this.pid = start.pid;
    this.driverPid = start.driverPid;
    this.#controlPort = start.controlPort;
  }

  /** Resolves when the fault is armed. See {@link RecordingProxy.cutNextBody}. */
  async cutNextBody(matcher: RemoteMatcher, { cut = 'fin' }: { readonly cut?: CutKind } = {}): Promise<RemoteFault> {
    return this.#toFault(await this.#send({ do: 'cutNextBody', matcher: toMatcherText(matcher), cut }));
  }

  /** Resolves when the fault is armed. See {@link RecordingProxy.swallowNext}. */
  async swallowNext(matcher: RemoteMatcher): Promise<RemoteFault> {
    return this.#toFault(await this.#send({ do: 'swallowNext', matcher: toMatcherText(matcher) }));
  }

  /** Resolves with the count-th matching command since the driver's start, past or future. */
  async waitForRequest(
    matcher: RemoteMatcher,
    { count = 1 }: { readonly count?: number } = {},
  ): Promise<RecordedRequest> {
    return (await this.#send({ do: 'waitForRequest', matcher: toMatcherText(matcher), count })) as RecordedRequest;
  }

  async refuse(): Promise<void> {
    await this.#send({ do: 'refuse' });
  }

  async restore(): Promise<void> {
    await this.#send({ do: 'restore' });
  }

  #toFault(answer: unknown): RemoteFault {
    const { fault } = answer as { fault: number };
    return { struck: async () => (await this.#send({ do: 'waitForFault', fault })) as RecordedRequest };
  }

  async #send(control: DriverControl): Promise<unknown> {
    const { promise, resolve: settle, reject } = Promise.withResolvers<string>();
    const agent = new Agent(); // No keep-alive, so that no connection outlives the answer.
    const outgoing = httpRequest({ host: '127.0.0.1', port: this.#controlPort, method: 'POST', agent });
    outgoing.on('error', reject).once('response', (response) => {
      response
        .setEncoding('utf8')
        .toArray()
        .then((chunks: string[]) => settle(chunks.join('')), reject);
    });
    outgoing.end(JSON.stringify(control));
    return JSON.parse(await promise) as unknown;
  }
}

/** The inverse of {@link toMatcherText}. */
export function fromMatcherText(text: RemoteMatcherText): RemoteMatcher {
  return typeof text === 'string' ? text : new RegExp(text.source, text.flags);
}

function toMatcherText(matcher: RemoteMatcher): RemoteMatcherText {
  return typeof matcher === 'string' ? matcher : { source: matcher.source, flags: matcher.flags };
}

function quoteForShell(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
