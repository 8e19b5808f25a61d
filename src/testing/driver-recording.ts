import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RecordedRequest, RequestMatcher } from './request-log.ts';
import type { CutKind } from './wire-faults.ts';

/** A line of a recording driver's log. Times are milliseconds since 1970 with fractions, comparable over processes. */
export type DriverLogLine =
  | {
      readonly event: 'started';
      /** The stand-in, which the program under test takes for chromedriver. */
      readonly pid: number;
      /** The real chromedriver, a child of the stand-in in the same process group. */
      readonly driverPid: number;
      readonly port: number;
      /** The real driver's address. */
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

/** A command as logged at its arrival, before the real driver saw it. */
export interface DriverLogCommand {
  readonly event: 'command';
  readonly pid: number;
  readonly method: string;
  readonly path: string;
  readonly sessionId: string | undefined;
  readonly atEpochMs: number;
}

/** A matcher that can travel to another process: no function. */
export type RemoteMatcher = Exclude<RequestMatcher, (request: RecordedRequest) => boolean>;

/** What the control port of a recording driver understands, one JSON document per POST. */
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
  /** Resolves with the command that it hit; rejects when the driver ends first. */
  struck(): Promise<RecordedRequest>;
}

/** The clock of the log: monotonic within a process, and comparable between processes. */
export function epochNowMs(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * Writes an executable file that starts like chromedriver and records every command. Give its path, which is returned,
 * as the driver's executable. Several drivers, one after the other or at once, may share the log file.
 */
export function writeRecordingDriver(options: {
  /** Where the executable goes; made when missing. */
  readonly folder: string;
  /** The real chromedriver. */
  readonly chromedriver: string;
  /** The log file, appended to. */
  readonly log: string;
}): string {
  mkdirSync(options.folder, { recursive: true });
  const file = join(options.folder, 'recording-chromedriver');
  // The same extension as this module: .ts in the repository, .js once built.
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

/** The log so far, oldest line first; empty when no driver has started yet. */
export function readDriverLog(log: string): DriverLogLine[] {
  const text = readIfThere(log);
  // A line without its newline is still being written.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter(Boolean).map((line) => JSON.parse(line) as DriverLogLine);
}

/** The commands in the log, of one session when its id is given. */
export function readDriverCommands(log: string, sessionId?: string): DriverLogCommand[] {
  const commands = readDriverLog(log).filter((line) => line.event === 'command');
  return sessionId === undefined ? commands : commands.filter((command) => command.sessionId === sessionId);
}

/** Steers the recording driver that started last, or the one with this process id, through its control port. */
export function controlDriver(log: string, { pid }: { readonly pid?: number } = {}): DriverRemote {
  const starts = readDriverLog(log).filter((line) => line.event === 'started');
  const start = starts.findLast((line) => pid === undefined || line.pid === pid);
  if (!start)
    throw new Error(`No recording driver${pid === undefined ? '' : ` ${pid}`} has started according to ${log}.`);
  return new DriverRemote(start);
}

/** A recording driver in another process: the faults of its proxy, by HTTP. Every call rejects once the driver is gone. */
export class DriverRemote {
  readonly pid: number;
  readonly driverPid: number;
  readonly #controlPort: number;

  constructor(start: Extract<DriverLogLine, { event: 'started' }>) {
    this.pid = start.pid;
    this.driverPid = start.driverPid;
    this.#controlPort = start.controlPort;
  }

  /** Resolves once armed. See {@link RecordingProxy.cutNextBody}. */
  async cutNextBody(matcher: RemoteMatcher, { cut = 'fin' }: { readonly cut?: CutKind } = {}): Promise<RemoteFault> {
    return this.#toFault(await this.#send({ do: 'cutNextBody', matcher: toMatcherText(matcher), cut }));
  }

  /** Resolves once armed. See {@link RecordingProxy.swallowNext}. */
  async swallowNext(matcher: RemoteMatcher): Promise<RemoteFault> {
    return this.#toFault(await this.#send({ do: 'swallowNext', matcher: toMatcherText(matcher) }));
  }

  /** Resolves with the count-th matching command since the driver's start, past or to come. */
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
    const agent = new Agent(); // No keep-alive: nothing outlives the answer.
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

/** The other end of {@link toMatcherText}. */
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
