/** Starts the program like a user, in its own process, and finds its browser. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import type { RunOutcome } from 'webdriver-supervisor';
import { descendantsOf, listProcesses, type ProcessInfo } from 'webdriver-supervisor/testing';

const POLL_MS = 10;

export class Program {
  readonly child: ChildProcess;
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly #closed: Promise<unknown>;
  readonly #end = new AbortController();

  static start(args: readonly string[], { env = {} }: { readonly env?: Record<string, string> } = {}): Program {
    const flags = ['--disable-warning=ExperimentalWarning', '--conditions=webdriver-supervisor:source'];
    return new Program(
      spawn(process.execPath, [...flags, 'src/cli/main.ts', ...args], {
        env: { ...process.env, npm_lifecycle_event: '', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  private constructor(child: ChildProcess) {
    this.child = child;
    createInterface(child.stdout!).on('line', (line) => this.stdout.push(line));
    createInterface(child.stderr!).on('line', (line) => this.stderr.push(line));
    this.#closed = once(child, 'close').then(() =>
      this.#end.abort(new Error(`The program has ended: ${this.stderr.join('\n')}`)),
    );
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Aborts when the program has ended. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Resolves with the browser's main process, when there is one that is not in `known`. */
  async browser(known: readonly number[] = []): Promise<ProcessInfo> {
    return this.#waitFor(
      ({ command }) =>
        /chrom/.test(command) && !/--type=|crashpad|chromedriver/.test(command) && /--headless/.test(command),
      known,
    );
  }

  async driver(known: readonly number[] = []): Promise<ProcessInfo> {
    return this.#waitFor(({ command }) => /chromedriver\b.*--port=/.test(command), known);
  }

  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    await this.#closed;
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }

  /** The last line of stdout, which is the outcome with `--json`. */
  get outcome(): RunOutcome {
    return JSON.parse(this.stdout.at(-1) ?? 'null') as RunOutcome;
  }

  async #waitFor(isWanted: (info: ProcessInfo) => boolean, known: readonly number[]): Promise<ProcessInfo> {
    for (;;) {
      this.signal.throwIfAborted();
      const found = descendantsOf(this.pid, listProcesses()).find(
        (info) => info.state !== 'Z' && !known.includes(info.pid) && isWanted(info),
      );
      if (found !== undefined) return found;
      // A new process emits no event here, so /proc is polled.
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}
