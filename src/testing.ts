/**
 * `webdriver-supervisor/testing`: the fault kit. Its servers and tools let a test observe how its program behaves when a browser, a driver,
 * a connection or a site fails, without a browser (`openScriptedWebDriver`) or with a real one.
 */
export { openScriptedWebDriver } from './testing/scripted-webdriver.ts';
export type {
  ScriptedReply,
  ScriptedRequest,
  ScriptedWebDriver,
  WebDriverScript,
} from './testing/scripted-webdriver.ts';
export type { ScriptedAnswer } from './testing/scripted-answer.ts';

export { openRecordingProxy } from './testing/recording-proxy.ts';
export type { ArmedFault, RecordingProxy, RecordingProxyOptions } from './testing/recording-proxy.ts';

export { controlDriver, readDriverCommands, readDriverLog, writeRecordingDriver } from './testing/driver-recording.ts';
export type {
  DriverLogCommand,
  DriverLogLine,
  DriverRemote,
  RemoteFault,
  RemoteMatcher,
} from './testing/driver-recording.ts';

export { openFaultSite } from './testing/fault-site.ts';
export type { FaultSite, SiteRequest } from './testing/fault-site.ts';

export {
  descendantsOf,
  findBrowserProcess,
  freeze,
  isAlive,
  killProcess,
  listProcesses,
  processState,
  rendererProcesses,
  unfreeze,
  waitUntilGone,
} from './testing/processes.ts';
export type { ProcessInfo, ProcessTreeOptions } from './testing/processes.ts';
export { leftovers, newLeftovers } from './testing/leftovers.ts';
export type { Leftovers } from './testing/leftovers.ts';

export type { Hold } from './testing/holds.ts';
export type { RecordedRequest, RequestMatcher, WaitForRequestOptions } from './testing/request-log.ts';
export type { CutKind } from './testing/wire-faults.ts';
export {
  CAUSE_OF_FAULT,
  SESSION_FAULTS,
  strikeSession,
  type FaultTarget,
  type SessionFault,
} from './testing/session-faults.ts';

export { openTestManager, type TestManager, type TestManagerOptions } from './testing/test-manager.ts';
