import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** A script of `test/support` that runs in its own process. Disposing of it kills the process. */
export interface ChildScript extends AsyncDisposable {
  readonly pid: number;
  /** Returns the next line of its standard output. Rejects if the output has ended. */
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
      if (done === true) throw new Error(`${name} ended before it printed another line.`);
      return value;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
