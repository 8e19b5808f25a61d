/** The processes that execute schedules, for the process that directs them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

import type { Entry } from './history.ts';
import type { ProgramOptions } from './program.ts';

const FLAGS = ['--conditions=webdriver-supervisor:source', '--disable-warning=ExperimentalWarning'];
const PROGRAM = path.join(import.meta.dirname, 'program.ts');

/** A pool of real processes. Processes that a schedule has not killed are used by the next one. */
export class ProcessPool implements AsyncDisposable {
  readonly #idle: WorkerProcess[] = [];
  readonly #all = new Set<WorkerProcess>();

  take(): WorkerProcess {
    const worker = this.#idle.pop() ?? new WorkerProcess();
    this.#all.add(worker);
    return worker;
  }

  /** Takes a process back. A process that still works or has ended is not used again. */
  giveBack(worker: WorkerProcess): void {
    if (worker.state === 'idle') this.#idle.push(worker);
    else worker.signal('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#all) worker.signal('SIGKILL');
    await Promise.all([...this.#all].map((worker) => worker.exit));
  }
}

export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

class WorkerProcess {
  readonly #child: ChildProcess;
  readonly ready: Promise<unknown>;
  readonly exit: Promise<Exit>;
  #over = Promise.withResolvers<undefined>();
  state: 'idle' | 'working' | 'gone' = 'idle';

  constructor() {
    this.#child = spawn(process.execPath, [...FLAGS, PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdin, stdout } = this.#child as ChildProcess & {
      stdin: NodeJS.WritableStream;
      stdout: NodeJS.ReadableStream;
    };
    stdin.on('error', () => undefined);
    this.exit = once(this.#child, 'exit').then(([exitCode, signal]: (number | string | null)[]) => {
      this.state = 'gone';
      return { exitCode: exitCode as number | null, signal: signal as string | null };
    });
    const lines = createInterface(stdout);
    this.ready = Promise.race([once(lines, 'line'), this.exit]);
    lines.on('line', (line) => {
      if (line !== 'done' || this.state === 'gone') return;
      this.state = 'idle';
      this.#over.resolve(undefined);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  begin(options: ProgramOptions): void {
    this.state = 'working';
    this.#over = Promise.withResolvers();
    this.send('go', JSON.stringify(options));
  }

  /** Resolves when the process has finished its part of the schedule, with its exit if it ended. */
  get over(): Promise<Exit | undefined> {
    return Promise.race([this.#over.promise, this.exit]);
  }

  send(word: 'go' | 'clock', value: string): void {
    this.#child.stdin?.write(`${word} ${value}\n`);
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }
}

/** One process in one schedule. */
export class ScheduledProcess {
  readonly #worker: WorkerProcess;
  readonly #options: ProgramOptions;
  #hasBegun = false;
  #waking: NodeJS.Timeout | undefined;

  constructor(worker: WorkerProcess, options: ProgramOptions) {
    this.#worker = worker;
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get isWorking(): boolean {
    return this.#hasBegun && this.#worker.state === 'working';
  }

  get over(): Promise<Exit | undefined> {
    return this.#worker.over;
  }

  begin(): void {
    this.#hasBegun = true;
    this.#worker.begin(this.#options);
  }

  setClock(byMs: number): void {
    if (this.isWorking) this.#worker.send('clock', String(byMs));
  }

  async kill(): Promise<void> {
    if (!this.isWorking) return;
    clearTimeout(this.#waking);
    this.#worker.signal('SIGKILL');
    await this.#worker.exit;
  }

  suspend(forMs: number, onWoken: () => void): void {
    if (!this.isWorking) return;
    clearTimeout(this.#waking);
    this.#worker.signal('SIGSTOP');
    this.#waking = setTimeout(() => {
      onWoken();
      this.#worker.signal('SIGCONT');
    }, forMs);
  }

  /** Returns the facts that the process has recorded. A line that a kill cut off is left out. */
  entries(): Entry[] {
    return readLines(this.#options.historyFile).map((line) => JSON.parse(line) as Entry);
  }
}

/** Returns the complete lines of a file; none if there is no file. */
export function readLines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

export type { WorkerProcess };
