import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** A script of `test/support` in a process of its own, which is killed at the latest when this is disposed of. */
export interface ChildScript extends AsyncDisposable {
  readonly pid: number;
  /** The next line of its standard output; rejects where it ended before. */
  nextLine(): Promise<string>;
  kill(): Promise<void>;
}

export function startChildScript(name: string, ...args: string[]): ChildScript {
  const flags = ['--conditions=webdriver-supervisor:source', '--disable-warning=ExperimentalWarning'];
  const script = path.join(import.meta.dirname, name);
  const child = spawn(process.execPath, [...flags, script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const kill = async () => {
    child.kill('SIGKILL');
    await exit;
  };
  return {
    pid: child.pid ?? 0,
    nextLine: async () => {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${name} ended without a word.`);
      return value;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
