import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import path from 'node:path';

import { killProcess } from 'webdriver-supervisor/testing';

import type { HolderLine, HolderOrder } from './holder-program.ts';

const PROGRAM = path.join(import.meta.dirname, 'holder-program.ts');

/** A process that holds, or tries to acquire, an owner's session. Disposing kills it. */
export class Holder implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: NodeJS.AsyncIterator<string>;
  readonly #exit: Promise<unknown>;

  static start(order: Partial<HolderOrder> & Pick<HolderOrder, 'registryUrl' | 'owner'>): Holder {
    const whole = { heartbeatIntervalMs: 5_000, callers: 1, waitMs: 0, ...order };
    const flags = ['--conditions=webdriver-supervisor:source', '--disable-warning=ExperimentalWarning'];
    return new Holder(
      spawn(process.execPath, [...flags, PROGRAM, JSON.stringify(whole)], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exit = once(child, 'exit');
    this.#lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async next(): Promise<HolderLine> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('The holder ended without any output.');
    return JSON.parse(value) as HolderLine;
  }

  /** Returns the next line that has `name`, and skips the lines before it. */
  async nextOf<Name extends string>(name: Name): Promise<Extract<HolderLine, Record<Name, unknown>>> {
    for (;;) {
      const line = await this.next();
      if (name in line) return line as Extract<HolderLine, Record<Name, unknown>>;
    }
  }

  /** Ends the process, by default with SIGKILL. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    killProcess(this.pid, signal);
    await this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
