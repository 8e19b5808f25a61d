/** The faults of a session, as data: how each is made, and the death that must be declared. */
import type { DeathCause, Detector, SessionSupervisor } from 'webdriver-supervisor';
import {
  CAUSE_OF_FAULT,
  strikeSession,
  type DriverRemote,
  type FaultTarget,
  type SessionFault,
} from 'webdriver-supervisor/testing';

export interface Victim {
  readonly supervisor: SessionSupervisor;
  /** The recording driver between us and the real chromedriver. */
  readonly remote: DriverRemote;
  /** The real driver and browser, behind the recording driver. */
  readonly target: FaultTarget;
}

export interface Fault {
  readonly name: string;
  /** Null if the fault is not a death: the command that it hits fails, and the session continues. */
  readonly cause: DeathCause | null;
  /** The error code of the command that it hits, if it is not a death. */
  readonly code?: string;
  readonly detectedBy: readonly Detector[];
  /** True if the fault only hits a command. */
  readonly hitsCommand: boolean;
  /** Resolves when the fault is made, or is set up for the next command. */
  strike(victim: Victim): Promise<unknown>;
}

const fromOutside = (fault: SessionFault, detectedBy: readonly Detector[]): Fault => ({
  name: fault,
  cause: CAUSE_OF_FAULT[fault],
  detectedBy,
  hitsCommand: false,
  strike: ({ target }) => strikeSession(fault, target),
});

export const FAULTS: readonly Fault[] = [
  fromOutside('browser-killed', ['devtools', 'command']),
  fromOutside('driver-killed', ['driver-exit', 'command']),
  fromOutside('tab-crashed', ['devtools', 'command']),
  fromOutside('browser-frozen', ['heartbeat', 'command', 'deadline']),
  fromOutside('driver-frozen', ['heartbeat', 'command', 'deadline']),
  fromOutside('quit-elsewhere', ['devtools', 'command']),
  {
    name: 'connection cut in mid-body',
    cause: null,
    code: 'ECONNRESET',
    detectedBy: [],
    hitsCommand: true,
    strike: ({ remote }) => remote.cutNextBody(/title/),
  },
  {
    name: 'response never comes',
    cause: null,
    code: 'command-timeout',
    detectedBy: [],
    hitsCommand: true,
    strike: ({ remote }) => remote.swallowNext(/title/),
  },
];
