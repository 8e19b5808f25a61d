/** The ways in which a session on a Selenium Grid is lost, each with the causes that its death may have. */
import type { DeathCause } from 'webdriver-supervisor';
import { listProcesses } from '../../src/driver/process-table.ts';
import type { Grid, GridProcess } from './open-grid.ts';

/** The time for which a node or a browser is frozen. */
const FROZEN_MS = 30_000;
const HUB_AWAY_MS = 120_000;

/** A session that is to be lost. */
export interface Victim {
  readonly grid: Grid;
  readonly sessionId: string;
  readonly node: GridProcess;
  readonly browserPid: number;
  readonly driverPid: number;
}

export interface GridLoss {
  readonly name: string;
  /** The causes that are right; none if the session lives on. */
  readonly causes: readonly DeathCause[];
  /** The time in milliseconds after which the Grid works again. Default 0. */
  readonly outageMs?: number;
  /**
   * True if Firefox may outlive its driver, which was killed, also by its node. It ends its BiDi session then, so that no client reaches it, and a
   * Grid does not end it either (measured on 153 with Grid 4.47). A Chrome is closed over DevTools.
   */
  readonly orphansFirefox?: boolean;
  /** Causes the loss. Returns the function that makes the Grid whole again. */
  readonly strike: (victim: Victim) => Promise<() => Promise<void>>;
}

const nothing = async () => undefined;

function signal(pid: number, name: NodeJS.Signals): void {
  process.kill(pid, name);
}

/** Sends a signal to a process that may be gone. */
export function signalIfThere(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export const GRID_LOSSES: readonly GridLoss[] = [
  {
    name: 'browser killed',
    causes: ['browser-gone'],
    strike: async ({ browserPid }) => (signal(browserPid, 'SIGKILL'), nothing),
  },
  {
    name: 'browser frozen',
    causes: ['frozen'],
    outageMs: FROZEN_MS,
    orphansFirefox: true,
    strike: async ({ browserPid }) => {
      signal(browserPid, 'SIGSTOP');
      return async () => signalIfThere(browserPid, 'SIGCONT');
    },
  },
  {
    name: 'driver killed',
    causes: ['driver-gone'],
    orphansFirefox: true,
    strike: async ({ driverPid }) => (signal(driverPid, 'SIGKILL'), nothing),
  },
  {
    name: 'driver frozen',
    causes: ['frozen'],
    orphansFirefox: true,
    strike: async ({ driverPid }) => (signal(driverPid, 'SIGSTOP'), nothing),
  },
  {
    name: 'node killed',
    causes: ['driver-gone'],
    strike: async ({ grid, node }) => {
      await node.kill();
      return async () => void (await grid.startNode());
    },
  },
  {
    name: 'node frozen for 30 s',
    causes: ['frozen'],
    outageMs: FROZEN_MS,
    orphansFirefox: true,
    strike: async ({ node }) => {
      signal(-node.pid, 'SIGSTOP');
      return async () => signalIfThere(-node.pid, 'SIGCONT');
    },
  },
  {
    name: 'node drained',
    causes: [],
    strike: async ({ grid, node }) => {
      await drain(grid, node);
      return async () => void (await grid.startNode());
    },
  },
  {
    name: 'hub restarted',
    causes: ['session-removed', 'network-lost'],
    strike: async ({ grid }) => {
      await grid.hub.kill();
      return () => grid.startHub();
    },
  },
  {
    name: 'hub away for 120 s',
    causes: ['network-lost'],
    outageMs: HUB_AWAY_MS,
    strike: async ({ grid }) => {
      await grid.hub.kill();
      return () => grid.startHub();
    },
  },
  {
    name: 'removed by another client',
    causes: ['session-removed'],
    strike: async ({ grid, sessionId, node, browserPid }) => {
      // The Grid's own route of a node does not wait behind the commands of the session.
      const url = `http://127.0.0.1:${node.port}/se/grid/node/session/${sessionId}`;
      const { status } = await fetch(url, { method: 'DELETE', headers: { 'X-REGISTRATION-SECRET': '' } });
      if (status !== 200) throw new Error(`The node of ${grid.url} answers with ${status}.`);
      // The node kills a driver that is busy, and in one of four cases leaves its browser (measured on 4.47).
      signalIfThere(browserPid, 'SIGKILL');
      return nothing;
    },
  },
];

/** Finds the processes of a session. `browserPid` comes from its capabilities. */
export async function findVictim(
  grid: Grid,
  { sessionId, browserPid }: { sessionId: string; browserPid: number },
): Promise<Victim> {
  const node = await grid.findNode(sessionId);
  const driverPid = listProcesses().find(({ pid }) => pid === browserPid)?.ppid;
  if (node === undefined || driverPid === undefined)
    throw new Error(`The processes of session ${sessionId} are unknown.`);
  return { grid, sessionId, node, browserPid, driverPid };
}

async function drain(grid: Grid, node: GridProcess): Promise<void> {
  const { value } = (await (await fetch(`${grid.url}/status`)).json()) as {
    value: { nodes: readonly { id: string; uri: string }[] };
  };
  const id = value.nodes.find(({ uri }) => uri.endsWith(`:${node.port}`))?.id;
  const url = `${grid.url}/se/grid/distributor/node/${id}/drain`;
  const { ok, status } = await fetch(url, { method: 'POST', headers: { 'X-REGISTRATION-SECRET': '' } });
  if (!ok) throw new Error(`The Grid does not drain its node: ${status}.`);
}
