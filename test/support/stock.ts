import { rmSync } from 'node:fs';
import type { ProcessInfo } from '../../src/driver/driver.ts';
import { descendantsOf, killProcess, listProcesses } from '../../src/testing/processes.ts';
import { leftovers } from '../../src/testing/leftovers.ts';

/** What this test process holds at one moment. */
export interface Stock {
  readonly processes: ReadonlyMap<string, ProcessInfo>;
  readonly folders: readonly string[];
  readonly servers: number;
  readonly timers: number;
}

/** What a test added to the stock and didn't take away again. */
export interface Excess {
  readonly processes: readonly ProcessInfo[];
  readonly folders: readonly string[];
  readonly servers: number;
  readonly timers: number;
}

const SERVERS = new Set(['TCPServerWrap', 'PipeServerWrap']);

/** Counts this process's living descendants, its sessions' processes and folders, its servers and its timers. */
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
 * What is there now and wasn't before. A new process below one that was there before belongs to a shared fixture (a
 * browser starts renderers when it likes), and so may timers: they are compared only when there was no fixture.
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

/** One line per thing; empty when there is no excess. */
export function describeExcess({ processes, folders, servers, timers }: Excess): string[] {
  return [
    ...processes.map(({ pid, state, command }) => `process ${pid} (${state}) ${command.slice(0, 160)}`),
    ...folders.map((folder) => `folder ${folder}`),
    ...(servers > 0 ? [`${servers} listening server(s)`] : []),
    ...(timers > 0 ? [`${timers} timer(s)`] : []),
  ];
}

/** Ends what can be ended from outside, so that one careless test doesn't trouble the next ones. */
export function endExcess({ processes, folders }: Excess): void {
  for (const { pid } of processes) killProcess(pid, 'SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
