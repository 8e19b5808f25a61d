import { setTimeout as delay } from 'node:timers/promises';
import { listProcesses, readProcessState, type ProcessInfo } from '../driver/driver.ts';

export { listProcesses, type ProcessInfo } from '../driver/driver.ts';

/** How often the process table is looked at while waiting for a process: there is no event for a stranger's end. */
const POLL_MS = 5;
const GONE_TIMEOUT_MS = 2_000;
const STOPPED = new Set(['T', 't']);
/** A dead process keeps its entry until its parent reads its status; `kill(pid, 0)` calls that alive. */
const DEAD = new Set(['Z', 'X', 'x']);

/** All processes below one, children before grandchildren. Zombies are listed, with their state. */
export function descendantsOf(pid: number, processes: readonly ProcessInfo[] = listProcesses()): ProcessInfo[] {
  const children = Map.groupBy(processes, ({ ppid }) => ppid);
  const found: ProcessInfo[] = [];
  const parents = [pid];
  for (let parent = parents.shift(); parent !== undefined; parent = parents.shift()) {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      parents.push(child.pid);
    }
  }
  return found;
}

/** The state letter of `ps`: R running, S sleeping, D waiting for a device, T stopped, Z zombie; undefined when gone. */
export function processState(pid: number): string | undefined {
  return readProcessState(pid);
}

/** False for a zombie, unlike `process.kill(pid, 0)`. */
export function isAlive(pid: number): boolean {
  const state = readProcessState(pid);
  return state !== undefined && !DEAD.has(state);
}

/** Sends a signal, SIGKILL by default. Returns false when there is no such process any more. */
export function killProcess(pid: number, signal: NodeJS.Signals = 'SIGKILL'): boolean {
  if (!Number.isInteger(pid) || pid <= 1) throw new RangeError(`${pid} is no process to send ${signal} to.`);
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Whether only this process is meant, which is the default, or also all below it. */
export interface ProcessTreeOptions {
  readonly tree?: boolean;
}

/** Stops a process by SIGSTOP; resolves once it, or its whole tree, is seen stopped. Returns the stopped process ids. */
export async function freeze(pid: number, { tree = false }: ProcessTreeOptions = {}): Promise<number[]> {
  const frozen = new Set<number>();
  // Again until nothing new turns up: a process may have been forked while we were at its parent.
  for (let fresh = [pid]; fresh.length > 0; fresh = tree ? aliveBelow(pid).filter((child) => !frozen.has(child)) : []) {
    for (const member of fresh) {
      killProcess(member, 'SIGSTOP');
      frozen.add(member);
    }
    await waitFor(() => fresh.every((member) => !isAlive(member) || STOPPED.has(readProcessState(member) ?? 'T')));
  }
  return [...frozen];
}

/** Continues what {@link freeze} stopped, children first. */
export function unfreeze(pid: number, { tree = false }: ProcessTreeOptions = {}): void {
  const members = tree ? [pid, ...aliveBelow(pid)] : [pid];
  for (const member of members.reverse()) killProcess(member, 'SIGCONT');
}

/** The browser's main process below a driver, also through a wrapper; undefined when the driver has none (yet). */
export function findBrowserProcess(driverPid: number): ProcessInfo | undefined {
  return descendantsOf(driverPid).find(
    ({ state, command }) =>
      !DEAD.has(state) && /\s--?(remote-debugging-|marionette)/.test(command) && !command.includes(' --type='),
  );
}

/**
 * Processes that run pages of a Chromium browser, oldest first. There are more than tabs: a spare one, and in new
 * headless mode one for the browser's own window; processes of extensions are left out.
 */
export function rendererProcesses(browserPid: number): ProcessInfo[] {
  return descendantsOf(browserPid)
    .filter(({ state, command }) => !DEAD.has(state) && / --type=renderer\b/.test(command))
    .filter(({ command }) => !/ --(extension-process|top-chrome-webui)\b/.test(command))
    .sort((one, other) => one.pid - other.pid);
}

/** Resolves once none of the processes is alive; rejects, naming the survivors, after `timeoutMs` (default 2 000). */
export async function waitUntilGone(
  pids: readonly number[],
  { timeoutMs = GONE_TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): Promise<void> {
  const isGone = await waitFor(() => !pids.some(isAlive), timeoutMs);
  if (isGone) return;
  const survivors = listProcesses().filter(({ pid }) => pids.includes(pid));
  const names = survivors.map(({ pid, state, command }) => `${pid} (${state}) ${command.slice(0, 120)}`);
  throw new Error(`Still alive after ${timeoutMs} ms: ${names.join('; ')}`);
}

function aliveBelow(pid: number): number[] {
  return descendantsOf(pid)
    .filter(({ state }) => !DEAD.has(state))
    .map((child) => child.pid);
}

async function waitFor(condition: () => boolean, timeoutMs = GONE_TIMEOUT_MS): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() >= deadline) return condition();
    await delay(POLL_MS);
  }
  return true;
}
