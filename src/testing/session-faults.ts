import { freeze, findBrowserProcess, killProcess, rendererProcesses } from './processes.ts';

/** A live session, as a supervisor describes it. */
export interface FaultTarget {
  readonly pids: { readonly driver: number | undefined; readonly browser: number | undefined };
  readonly sessionId: string | undefined;
  /** The URL of its driver. */
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
/** A fault that can be done to a session from outside. */
export type SessionFault = (typeof SESSION_FAULTS)[number];

/** The expected cause of death for each fault. */
export const CAUSE_OF_FAULT = {
  'browser-killed': 'browser-gone',
  'driver-killed': 'driver-gone',
  'tab-crashed': 'tab-crashed',
  'browser-frozen': 'frozen',
  'driver-frozen': 'frozen',
  'quit-elsewhere': 'session-removed',
} as const satisfies Record<SessionFault, string>;

/** Does a fault to a session on this machine. Resolves when it is done, before its death is detected. */
export async function strikeSession(fault: SessionFault, { pids, sessionId, endpointUrl }: FaultTarget): Promise<void> {
  const { driver, browser } = pids;
  if (driver === undefined || browser === undefined || sessionId === undefined || endpointUrl === undefined) {
    throw new TypeError(`The fault ${fault} needs a session with its own driver.`);
  }
  const strikes: Record<SessionFault, () => unknown> = {
    'browser-killed': () => killProcess(browser),
    'driver-killed': () => killProcess(driver),
    // Headless Chromium has several renderers for one tab. The one with the page can't be identified from outside.
    'tab-crashed': () =>
      rendererProcesses(findBrowserProcess(driver)?.pid ?? browser).map(({ pid }) => killProcess(pid)),
    'browser-frozen': () => freeze(browser),
    'driver-frozen': () => freeze(driver),
    'quit-elsewhere': () => {
      // The driver answers it after the command in flight, if ever. The fault does not wait for the answer.
      fetch(`${endpointUrl}/session/${sessionId}`, { method: 'DELETE' }).catch(() => undefined);
    },
  };
  await strikes[fault]();
}
