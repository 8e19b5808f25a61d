/** What can happen to a session, as data: how it is done to it, and what has to be found out about it. */
import type { DeathCause, Detector, SessionSupervisor } from 'webdriver-supervisor';
import {
  findBrowserProcess,
  freeze,
  killProcess,
  rendererProcesses,
  type DriverRemote,
} from 'webdriver-supervisor/testing';

import { send } from '../support/send.ts';

export interface Victim {
  readonly supervisor: SessionSupervisor;
  /** The recording driver between us and the real chromedriver. */
  readonly remote: DriverRemote;
  /** The real driver's own address, past the recording. */
  readonly driverUrl: string;
}

export interface Fault {
  readonly name: string;
  /** Null: not a death; the command that it hits fails, and the session goes on. */
  readonly cause: DeathCause | null;
  readonly detectedBy: readonly Detector[];
  /** It needs a command to happen to. */
  readonly hitsCommand?: boolean;
  /** Resolves once the fault is done, or lies in wait. */
  strike(victim: Victim): Promise<unknown>;
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'browser killed',
    cause: 'browser-gone',
    detectedBy: ['devtools', 'command'],
    strike: async ({ supervisor }) => killProcess(supervisor.pids.browser!),
  },
  {
    name: 'driver killed',
    cause: 'driver-gone',
    detectedBy: ['driver-exit', 'command'],
    strike: async ({ remote }) => killProcess(remote.driverPid),
  },
  {
    name: 'tab crashed',
    cause: 'tab-crashed',
    detectedBy: ['devtools', 'command'],
    strike: async ({ remote }) => {
      for (const { pid } of rendererProcesses(findBrowserProcess(remote.driverPid)!.pid)) killProcess(pid);
    },
  },
  {
    name: 'browser frozen',
    cause: 'frozen',
    detectedBy: ['heartbeat', 'command', 'deadline'],
    strike: async ({ supervisor }) => freeze(supervisor.pids.browser!),
  },
  {
    name: 'driver frozen',
    cause: 'frozen',
    detectedBy: ['heartbeat', 'command', 'deadline'],
    strike: async ({ remote }) => freeze(remote.driverPid),
  },
  {
    name: 'quit elsewhere',
    cause: 'session-removed',
    detectedBy: ['devtools', 'command'],
    strike: async ({ supervisor, driverUrl }) => {
      // Answered only after what is in flight; nobody waits for it here.
      send(`${driverUrl}/session/${supervisor.sessionId}`, { method: 'DELETE' }).catch(() => undefined);
    },
  },
  {
    name: 'connection cut in mid-body',
    cause: null,
    detectedBy: [],
    hitsCommand: true,
    strike: ({ remote }) => remote.cutNextBody(/title/),
  },
  {
    name: 'response never comes',
    cause: 'frozen',
    detectedBy: ['deadline'],
    hitsCommand: true,
    strike: ({ remote }) => remote.swallowNext(/title/),
  },
];
