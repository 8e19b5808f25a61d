/**
 * Supervises browser sessions. Invariants: the death of a session is declared exactly once, with its cause, and never withdrawn; from
 * that moment nothing starts on that session; work in progress ends with the same error; and work continues only in a new session.
 */
export { SessionSupervisor } from './session-supervisor.ts';
// The parts of the driver that higher layers use. They don't import the layers below this one.
export {
  BROWSER_OPTION_NAMES,
  diffStates,
  DownloadsUnavailableError,
  EMPTY_STATE,
  isEmptyPatch,
  joinPatches,
  liveViewOf,
  parseStorageState,
  patchState,
  selectParts,
  SessionDeathError,
  SessionEndedError,
  SessionStartError,
  toStorageState,
  type BrowserOptions,
  type BrowserState,
  type CommandHook,
  type CommandInfo,
  type DownloadAccess,
  type NodeFiles,
  type PageState,
  type RestoreParts,
  type StateCookie,
  type StatePatch,
  pastAlerts,
  Recorder,
  toRecording,
  type RecordedSeconds,
  readFreeMemory,
  readMemoryLimit,
  readTreeMemory,
  type WebDriver,
} from '../driver/driver.ts';
export { ApiError, narrowApi, type Api, type ApiCallInit, type ApiInit } from './api-client.ts';
export { BatchControl } from './batch/batch-control.ts';
export type { BatchJournal, DeclaredItem, EarlierAddition, JournaledOptions } from './batch/batch-journal.ts';
export { ItemTimedOutError, TimeLimit } from './batch/time-limit.ts';
export {
  DEFAULT_CONCURRENCY,
  type BatchCounts,
  type BatchOptions,
  type BatchOutcome,
  type BatchResult,
  type BatchTools,
  type BatchWorker,
} from './batch/options.ts';
export { deathBehind, deathOf, deathSignalOf } from './death-signal.ts';
export { CriticalFailureError } from './critical-failures.ts';
export { HostLimits, type HostLimitOptions } from './host-limits.ts';
export type { ObservedOptions, SupervisorEvents, SupervisorHealth, SupervisorOptions } from './options.ts';
export { assertStandbyPossible, DEFAULT_HEARTBEAT_INTERVAL_MS, validateSupervisorOptions } from './options.ts';
export { PageGate, type PageRefusal } from './restore/page-gate.ts';
export { PageNotRestoredError } from './restore/page-not-restored-error.ts';
export { formatSessionState, readSessionState, type SessionState } from './restore/session-state.ts';
export { removeOldStateFiles, StateFile } from './restore/state-file.ts';
export { assertProxyInstalled } from './proxy-packages.ts';
export { localBrowserOf, mergeSupervisorOptions, toSupervisorOptions } from './from-config.ts';
export { RestartLimitError } from './restart-limit.ts';
export type { SessionObserver, StartedSession } from './session-observer.ts';
export { StandbyKeeper } from './standby/standby-keeper.ts';
export type { SupervisorStatus } from './state.ts';
export { untilOver } from './until-over.ts';
export { assertEndpoint, downloadsFrom } from './endpoint-check.ts';
export { assertLocalBrowser, routeOf } from './target.ts';
