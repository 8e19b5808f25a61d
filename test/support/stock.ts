import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { readProcessVariable, type ProcessInfo } from '../../src/driver/driver.ts';
import { descendantsOf, killProcess, listProcesses } from '../../src/testing/processes.ts';
import { leftovers } from '../../src/testing/leftovers.ts';

/** The resources that this test process holds at one moment. */
export interface Stock {
  readonly processes: ReadonlyMap<string, ProcessInfo>;
  readonly folders: readonly string[];
  readonly servers: number;
  readonly timers: number;
}

/** The resources that a test acquired and did not release. */
export interface Excess {
  readonly processes: readonly ProcessInfo[];
  readonly folders: readonly string[];
  readonly servers: number;
  readonly timers: number;
}

const REMOTE_WATCHDOG = 'webdriver-supervisor-remote-watchdog';
const SERVERS = new Set(['TCPServerWrap', 'PipeServerWrap']);

/** Lists the living descendants of this process, the processes and folders of its sessions, and counts its servers and timers. */
export function takeStock(): Stock {
  const table = listProcesses();
  const { processes, folders } = leftovers(table);
  const living = [...descendantsOf(process.pid, table), ...processes].filter(
    ({ state }) => state !== 'Z' && state !== 'X',
  );
  const resources = process.getActiveResourcesInfo();
  return {
    processes: new Map(living.map((info) => [`${info.pid} ${info.startedAt}`, info])),
    folders,
    servers: resources.filter((name) => SERVERS.has(name)).length,
    timers: resources.filter((name) => name === 'Timeout').length,
  };
}

/**
 * Returns the resources that are new in `now`. A new process below an earlier one belongs to a shared fixture: a browser starts renderers
 * at any time. Timers may belong to a fixture too, so they are compared only if there was no fixture.
 */
export function excessOf(before: Stock, now: Stock): Excess {
  const fixtures = new Set([...before.processes.values()].map(({ pid }) => pid));
  const parents = new Map([...now.processes.values()].map(({ pid, ppid }) => [pid, ppid]));
  const isOfFixture = (pid: number | undefined): boolean =>
    pid !== undefined && pid !== process.pid && (fixtures.has(pid) || isOfFixture(parents.get(pid)));
  const hasFixture = fixtures.size > 0 || before.servers > 0;
  return {
    processes: [...now.processes]
      .filter(([identity, { ppid }]) => !before.processes.has(identity) && !isOfFixture(ppid))
      .map(([, info]) => info),
    folders: now.folders.filter((folder) => !before.folders.includes(folder)),
    servers: Math.max(0, now.servers - before.servers),
    timers: hasFixture ? 0 : Math.max(0, now.timers - before.timers),
  };
}

/** Returns one line per resource; empty if there is no excess. */
export function describeExcess({ processes, folders, servers, timers }: Excess): string[] {
  return [
    ...processes.map(({ pid, state, command }) => `process ${pid} (${state}) ${command.slice(0, 160)}`),
    ...folders.map((folder) => `folder ${folder}`),
    ...(servers > 0 ? [`${servers} listening server(s)`] : []),
    ...(timers > 0 ? [`${timers} timer(s)`] : []),
  ];
}

/**
 * Returns the excess without what waits for the next session of a shared supervisor, which is started at any time (its folder names its
 * program), and without the watchdog of remote sessions, which is there while there are such sessions.
 */
export function withoutWaiting(excess: Excess, now: Stock): Excess {
  const waiting = now.folders.filter((folder) => existsSync(path.join(folder, 'program')));
  const waits = ({ pid, command }: ProcessInfo) =>
    command.includes(REMOTE_WATCHDOG) ||
    waiting.some((folder) => command.includes(folder) || readProcessVariable(pid, 'TMPDIR') === folder);
  return {
    ...excess,
    processes: excess.processes.filter((info) => !waits(info)),
    folders: excess.folders.filter((folder) => !waiting.includes(folder)),
  };
}

/** Kills the processes and removes the folders, so that they do not disturb the next tests. */
export function endExcess({ processes, folders }: Excess): void {
  for (const { pid } of processes) killProcess(pid, 'SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
