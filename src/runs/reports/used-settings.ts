/** The settings that decide about a run, by the names under which users set them. They contain no secrets. */
import { devNull } from 'node:os';

import { loadConfig, type Config, type SettingName } from '../../config/config.ts';
import { redactText, redactUrl, redactValue } from '../../core/redact.ts';

export interface UsedSetting {
  readonly name: string;
  readonly value: string;
  readonly isDefault: boolean;
}

const url = (value: string | undefined) => (value === undefined ? undefined : redactUrl(value));
const seconds = (ms: number) => ms / 1_000;
const minutes = (ms: number) => ms / 60_000;

const SETTINGS: readonly (readonly [SettingName, (config: Config) => string | number | boolean | undefined])[] = [
  ['BROWSER', ({ browser }) => browser],
  ['HEADLESS', ({ headless }) => headless],
  ['GRID_URL', ({ gridUrl }) => url(gridUrl)],
  ['GRID_START_TIMEOUT_SECONDS', ({ gridStartTimeoutMs }) => seconds(gridStartTimeoutMs)],
  ['GRID_PROXY', ({ gridProxy }) => url(gridProxy)],
  ['CHROME_BINARY', ({ chromeBinary }) => chromeBinary],
  ['CHROMEDRIVER', ({ chromedriver }) => chromedriver],
  ['FIREFOX_BINARY', ({ firefoxBinary }) => firefoxBinary],
  ['GECKODRIVER', ({ geckodriver }) => geckodriver],
  ['EDGE_BINARY', ({ edgeBinary }) => edgeBinary],
  ['EDGEDRIVER', ({ edgedriver }) => edgedriver],
  ['BROWSER_ARGUMENTS', ({ browserArguments }) => browserArguments.join(' ')],
  ['BROWSER_CAPABILITIES', ({ browserCapabilities }) => JSON.stringify(redactValue(browserCapabilities))],
  ['BROWSER_ENVIRONMENT', ({ browserEnvironment }) => Object.keys(browserEnvironment).join(' ')],
  ['BROWSER_PROXY', ({ browserProxy }) => url(browserProxy)],
  ['ACCEPT_INSECURE_CERTS', ({ acceptsInsecureCerts }) => acceptsInsecureCerts],
  ['USER_DATA_DIR', ({ userDataDir }) => userDataDir],
  ['DOWNLOAD_DIR', ({ downloadDir }) => downloadDir],
  ['HEARTBEAT_INTERVAL_SECONDS', ({ heartbeatIntervalMs }) => seconds(heartbeatIntervalMs)],
  ['HEARTBEAT_TIMEOUT_SECONDS', ({ heartbeatTimeoutMs }) => seconds(heartbeatTimeoutMs)],
  ['COMMAND_TIMEOUT_SECONDS', ({ commandTimeoutMs }) => seconds(commandTimeoutMs)],
  ['SESSION_TIMEOUT_MINUTES', ({ sessionTimeoutMs }) => minutes(sessionTimeoutMs)],
  ['SESSION_WARNING_THRESHOLD', ({ warningThresholdMs }) => minutes(warningThresholdMs)],
  ['MAX_PAGES_PER_SESSION', ({ maxPagesPerSession }) => maxPagesPerSession],
  ['MAX_SESSION_AGE_MINUTES', ({ maxSessionAgeMs }) => minutes(maxSessionAgeMs)],
  ['MAX_SESSION_MEMORY_MB', ({ maxSessionMemoryMb }) => maxSessionMemoryMb],
  ['LIMIT_SESSIONS', ({ limitSessions }) => limitSessions],
  ['IDLE_SESSION_SECONDS', ({ idleSessionMs }) => seconds(idleSessionMs)],
  ['MAX_SESSIONS', ({ maxSessions }) => maxSessions],
  ['MAX_RECORD_MB', ({ maxRecordBytes }) => maxRecordBytes / 1_000_000],
  ['RECORD', ({ record }) => record],
  ['KEEP_STATE', ({ keepsState }) => keepsState],
  ['REGISTRY_URL', ({ registryUrl }) => url(registryUrl)],
  ['LOG_LEVEL', ({ logLevel }) => logLevel],
];

/** Lists the settings. Those with another value than their default come first. */
export function listUsedSettings(config: Config): UsedSetting[] {
  // Reads neither the environment nor files.
  const defaults = loadConfig({ environment: {}, folder: devNull });
  const all = SETTINGS.map(([name, read]) => {
    const value = show(read(config));
    return { name, value, isDefault: value === show(read(defaults)) };
  });
  return [...all.filter(({ isDefault }) => !isDefault), ...all.filter(({ isDefault }) => isDefault)];
}

function show(value: string | number | boolean | undefined): string {
  return value === undefined || value === '' || value === '{}' ? 'none' : redactText(String(value));
}
