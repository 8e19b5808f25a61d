import { freeze, findBrowserProcess, killProcess, rendererProcesses } from './processes.ts';

/** A live session, as a supervisor shows it. */
export interface FaultTarget {
  readonly pids: { readonly driver: number | undefined; readonly browser: number | undefined };
  readonly sessionId: string | undefined;
  /** Where its driver listens. */
  readonly endpointUrl: string | undefined;
}

export const SESSION_FAULTS = [
  'browser-killed',
  'driver-killed',
  'tab-crashed',
  'browser-frozen',
  'driver-frozen',
  'quit-elsewhere',
] as const;
/** What can be done to a session from outside. */
export type SessionFault = (typeof SESSION_FAULTS)[number];

/** The cause that each fault has to be declared as. */
export const CAUSE_OF_FAULT = {
  'browser-killed': 'browser-gone',
  'driver-killed': 'driver-gone',
  'tab-crashed': 'tab-crashed',
  'browser-frozen': 'frozen',
  'driver-frozen': 'frozen',
  'quit-elsewhere': 'session-removed',
} as const satisfies Record<SessionFault, string>;

/** Does a fault to a session of this machine. Resolves once it is done; what comes of it is the supervisor's to find out. */
export async function strikeSession(fault: SessionFault, { pids, sessionId, endpointUrl }: FaultTarget): Promise<void> {
  const { driver, browser } = pids;
  if (driver === undefined || browser === undefined || sessionId === undefined || endpointUrl === undefined) {
    throw new TypeError(`Only a session with a driver of its own can be ${fault}.`);
  }
  const strikes: Record<SessionFault, () => unknown> = {
    'browser-killed': () => killProcess(browser),
    'driver-killed': () => killProcess(driver),
    // Headless Chromium has several renderers for one tab; which one is the page's can't be told from outside.
    'tab-crashed': () =>
      rendererProcesses(findBrowserProcess(driver)?.pid ?? browser).map(({ pid }) => killProcess(pid)),
    'browser-frozen': () => freeze(browser),
    'driver-frozen': () => freeze(driver),
    'quit-elsewhere': () => {
      // The driver answers it after the command that is in flight, if ever; nobody waits for that here.
      fetch(`${endpointUrl}/session/${sessionId}`, { method: 'DELETE' }).catch(() => undefined);
    },
  };
  await strikes[fault]();
}
