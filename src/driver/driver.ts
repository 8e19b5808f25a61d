/**
 * The entry point to WebDriver. Rules of this module:
 * - Every command passes the same transport.
 * - This module reports deaths; the supervisor decides about them.
 * - Nothing that is started here outlives its session.
 * - Watching a page changes nothing in it.
 */
export { By, Capabilities, Key, until } from 'selenium-webdriver';
export type { WebDriver, WebElement } from 'selenium-webdriver';

export {
  BROWSER_OPTION_KINDS,
  BROWSER_OPTION_NAMES,
  mergeBrowserOptions,
  validateBrowserOptions,
  type BrowserOptions,
} from './browser-options.ts';
export { needsNoSandbox } from './capabilities.ts';
export type { BrowserCookie, BrowserCookies } from './cookies.ts';
export {
  CommandTimeoutError,
  SessionDeathError,
  SessionEndedError,
  SessionStartError,
  StaleDriverError,
} from './death.ts';
export {
  listProcesses,
  readProcess,
  readProcessState,
  readProcessVariable,
  type ProcessInfo,
} from './process-table.ts';
export { isProcessGone, isProcessRunning, isProcessThere, thisProcess } from './process-identity.ts';
export { HttpClient, type Route } from './http-client.ts';
export { deleteRemoteSession, endLeftProcesses, type LeftProcesses } from './reap.ts';
export { locateBrowser, readVersions, versionsFit } from './locate.ts';
export { deferDriver } from './deferred-driver.ts';
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
export { DevToolsClosedError } from './devtools.ts';
export { PageUnreachableError, type PageFunction } from './page-function.ts';
export type { StateAccess } from './state/state-access.ts';
export type { CommandHook } from './command-transport.ts';
export { BrowserSession, type SessionListener, type SessionOptions, type SessionTarget } from './browser-session.ts';
