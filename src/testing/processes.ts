import { setTimeout as delay } from 'node:timers/promises';
import { listProcesses, readProcessState, type ProcessInfo } from '../driver/driver.ts';

export { listProcesses, type ProcessInfo } from '../driver/driver.ts';

/** The interval of polling the process table. No event reports the end of another program's process. */
const POLL_MS = 5;
const GONE_TIMEOUT_MS = 2_000;
const STOPPED = new Set(['T', 't']);
/**
 * The states of dead processes. They stay in the process table until their parent reads their status, and `kill(pid, 0)` succeeds for them.
 */
const DEAD = new Set(['Z', 'X', 'x']);

/** Returns all descendants of a process, children before grandchildren. Zombies are included, with their state. */
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

/**
 * Returns the state letter of `ps`: R running, S sleeping, D waiting for a device, T stopped, Z zombie; undefined if the process is gone.
 */
export function processState(pid: number): string | undefined {
  return readProcessState(pid);
}

/** Returns whether a process is alive; false for a zombie, unlike `process.kill(pid, 0)`. */
export function isAlive(pid: number): boolean {
  const state = readProcessState(pid);
  return state !== undefined && !DEAD.has(state);
}

/** Sends a signal, SIGKILL by default. Returns false if the process does not exist any more. */
export function killProcess(pid: number, signal: NodeJS.Signals = 'SIGKILL'): boolean {
  if (!Number.isInteger(pid) || pid <= 1)
    throw new RangeError(`The process ${pid} can't get ${signal}: the process id must be an integer greater than 1.`);
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** The processes that a call affects: only the given one (the default), or also all its descendants (`tree`). */
export interface ProcessTreeOptions {
  readonly tree?: boolean;
}

/** Stops a process by SIGSTOP. Resolves with the ids of the stopped processes when the process, or its whole tree, has stopped. */
export async function freeze(pid: number, { tree = false }: ProcessTreeOptions = {}): Promise<number[]> {
  const frozen = new Set<number>();
  // Repeats until there is no new process: a process may be forked while its parent is being stopped.
  for (let fresh = [pid]; fresh.length > 0; fresh = tree ? aliveBelow(pid).filter((child) => !frozen.has(child)) : []) {
    for (const member of fresh) {
      killProcess(member, 'SIGSTOP');
      frozen.add(member);
    }
    await waitFor(() => fresh.every((member) => !isAlive(member) || STOPPED.has(readProcessState(member) ?? 'T')));
  }
  return [...frozen];
}

/** Continues processes that {@link freeze} stopped, children first. */
export function unfreeze(pid: number, { tree = false }: ProcessTreeOptions = {}): void {
  const members = tree ? [pid, ...aliveBelow(pid)] : [pid];
  for (const member of members.reverse()) killProcess(member, 'SIGCONT');
}

/** Returns the browser's main process below a driver, also through a wrapper; undefined if the driver has none (yet). */
export function findBrowserProcess(driverPid: number): ProcessInfo | undefined {
  return descendantsOf(driverPid).find(
    ({ state, command }) =>
      !DEAD.has(state) && /\s--?(remote-debugging-|marionette)/.test(command) && !command.includes(' --type='),
  );
}

/**
 * Returns the processes of a browser that show pages, the oldest first. There are more than tabs: spare ones, and in new headless mode of
 * Chromium one for the browser's own window. Chromium's processes of extensions are omitted.
 */
export function rendererProcesses(browserPid: number): ProcessInfo[] {
  return descendantsOf(browserPid)
    .filter(({ state, command }) => !DEAD.has(state) && / --type=renderer\b| -contentproc .* tab$/.test(command))
    .filter(({ command }) => !/ --(extension-process|top-chrome-webui)\b/.test(command))
    .sort((one, other) => one.pid - other.pid);
}

/** Resolves when none of the processes is alive. Rejects after `timeoutMs` (default 2 000) with the names of the remaining ones. */
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
