/**
 * The entry point to WebDriver. Rules of this module:
 * - Every command passes the same transport.
 * - This module reports deaths; the supervisor decides about them.
 * - Nothing that is started here outlives its session.
 * - Watching a page changes nothing in it.
 */
import type { HttpClient, Route } from './http-client.ts';
import type { BrowserSession } from './browser-session.ts';
import type { RemoteSession } from './remote-watchdog.ts';
import type { SessionOptions } from './session-options.ts';

export { By, Capabilities, Key, until } from './selenium.ts';
export type { WebDriver, WebElement } from 'selenium-webdriver';

export {
  BROWSER_OPTION_KINDS,
  BROWSER_OPTION_NAMES,
  browserNameOf,
  isForOneBrowser,
  mergeBrowserOptions,
  toPlainCapabilities,
  toProxyCapability,
  validateBrowserOptions,
  type BrowserOptions,
} from './browser-options.ts';
export { needsNoSandbox } from './sandbox.ts';
export type { BrowserCookie, BrowserCookies } from './cookies.ts';
export {
  CommandTimeoutError,
  SessionDeathError,
  SessionEndedError,
  SessionStartError,
  StaleDriverError,
} from './death.ts';
export { readMemoryLimit } from './diagnosis/cgroup.ts';
export { readFreeMemory } from './free-memory.ts';
export { readTreeMemory } from './process-memory.ts';
export { listProcesses, readProcessState, readProcessVariable, type ProcessInfo } from './process-table.ts';
export { isProcessGone, isProcessRunning, isProcessThere, thisProcess } from './process-identity.ts';
export { DeathHistory } from './diagnosis/death-history.ts';
export { readEndpointStatus, type GridStatus } from './endpoint-status.ts';
export { DOWNLOADS_CAPABILITY, type DownloadAccess } from './download-access.ts';
export { liveViewOf } from './on-grid.ts';
export { DownloadsUnavailableError, type NodeFiles } from './node-files.ts';
export type { HttpClient, Route } from './http-client.ts';
export { endLeftProcesses } from './reap.ts';
export type { RemoteSessionEnd } from './remote-session.ts';
export { driverFamilyOf, type DriverFamily } from './driver-family.ts';
export { locateBrowser, readVersions, versionsFit } from './locate.ts';
export { DriverAhead, launchAhead } from './driver-ahead.ts';
export { endLeftFolders } from './program-folder.ts';
export { deferDriver } from './deferred-driver.ts';
export { pastAlerts } from './past-alerts.ts';
export type { CommandInfo } from './command-log.ts';
export {
  diffStates,
  EMPTY_STATE,
  isEmptyPatch,
  joinPatches,
  patchState,
  selectParts,
  type BrowserState,
  type PageState,
  type RestoreParts,
  type StateCookie,
  type StatePatch,
} from './state/browser-state.ts';
export { parseStorageState, toStorageState } from './state/storage-state.ts';
export { UNKNOWN_FINGERPRINT } from './state/page-facts.ts';
export { DevToolsClosedError, PageUnreachableError } from './devtools-errors.ts';
export type { PageFunction } from './page-function.ts';
export type { StateAccess } from './state/state-access.ts';
export { Recorder, toRecording, type RecordedSeconds } from './recorder/recorder.ts';
export type { CommandHook } from './command-transport.ts';
export type { BrowserSession } from './browser-session.ts';
export type { QueueState, SessionListener, SessionOptions } from './session-options.ts';
export type { SessionTarget } from './session-target.ts';

/** Starts a session. Throws `SessionStartError`, with nothing left behind, if there is none to be had. Loads selenium. */
export async function startBrowserSession(options: SessionOptions): Promise<BrowserSession> {
  const { BrowserSession: Session } = await import('./browser-session.ts');
  return Session.start(options);
}

/** Asks an endpoint once to end a session that has no program any more. Rejects with `RemoteSessionLeftError` if it still has it. */
export async function endRemoteSession(session: RemoteSession): Promise<void> {
  const remote = await import('./remote-session.ts');
  return remote.endRemoteSession(session);
}

/** Makes a client of the endpoint at `url`. Loads Node's modules for HTTP and TLS, which take half as long as selenium. */
export async function openHttpClient(url: string, route?: Route): Promise<HttpClient> {
  const { HttpClient: Client } = await import('./http-client.ts');
  return new Client(url, route);
}
