/**
 * Parses all settings by one schema into one frozen Config. Flags take precedence over the environment, the environment over the files in
 * `config/`, and these over the defaults. A wrong value is refused with its name and the allowed values, before anything starts.
 */
import { z } from 'zod';

import { ConfigError } from '../core/errors.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../core/log.ts';
import { findAddressSecrets, findSecrets } from '../core/redact.ts';
import { settingSecrets } from '../core/secrets.ts';
import { toJson, toNumber, toUnquotedWords, toWords } from './parse-values.ts';
import { projectPath, toProjectUrl } from './project-root.ts';
import { readSettingsFiles } from './settings-files.ts';

export { browserEnvironment } from './environment.ts';
export { findProjectRoot, projectPath } from './project-root.ts';

export const RECORD_MODES = ['always', 'deaths', 'off'] as const;
/** When the last seconds of a session are written to a file; see `RECORD`. */
export type RecordMode = (typeof RECORD_MODES)[number];

/** One day. */
const MAX_SECONDS = 86_400;
/** 24 days: a timer of 2^31 ms (24.8 days) or more fires at once. */
const MAX_MINUTES = 24 * 24 * 60;
const BOOLEAN_WORDS = { truthy: ['true', '1', 'yes', 'on'], falsy: ['false', '0', 'no', 'off'] };

const seconds = (defaultValue: number) => duration('seconds', MAX_SECONDS).default(defaultValue);
const minutes = (defaultValue: number) => duration('minutes', MAX_MINUTES).default(defaultValue);
const flag = (defaultValue: boolean) =>
  z
    .union([z.boolean(), z.stringbool(BOOLEAN_WORDS)], { error: 'must be true or false (or yes, no, on, off, 1, 0)' })
    .default(defaultValue);
const whole = (unit: string, { min, max }: { min: number; max: number }) => {
  const error = `must be a whole number of ${unit} from ${min} to ${max}`;
  return z.preprocess(toNumber, z.int({ error }).min(min, { error }).max(max, { error }));
};
const PORT_ERROR = 'must be a port, a whole number from 0 to 65535';
const webAddress = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });
const optionalPath = z.string().min(1).optional();

/** The settings by their names in the environment and in the files. A name contains the unit. */
const settingsSchema = z.object({
  /** The database that stores sessions, runs, steps and records. A relative path of a SQLite file is relative to the project's root. */
  REGISTRY_URL: z
    .string()
    .regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)$/, {
      error: 'must be sqlite:<file>, such as sqlite:.supervisor/registry.db, or postgres://user@host/database',
    })
    .default('sqlite:.supervisor/registry.db'),
  /** A WebDriver endpoint to use instead of a driver of our own: a Selenium Grid or a running driver. */
  GRID_URL: webAddress.optional(),
  /** An HTTP proxy for requests to GRID_URL. */
  GRID_PROXY: webAddress.optional(),
  /** The time for a session to start at GRID_URL, where it may wait in the queue for a free slot. */
  GRID_START_TIMEOUT_SECONDS: seconds(290),
  CHROME_BINARY: optionalPath,
  CHROMEDRIVER: optionalPath,
  FIREFOX_BINARY: optionalPath,
  GECKODRIVER: optionalPath,
  EDGE_BINARY: optionalPath,
  EDGEDRIVER: optionalPath,
  BROWSER: z.enum(['chrome', 'firefox', 'MicrosoftEdge']).default('chrome'),
  HEADLESS: flag(true),
  /** Additional switches of the browser: words separated by spaces, or a JSON list of texts. */
  BROWSER_ARGUMENTS: z
    .preprocess(
      toUnquotedWords,
      z.array(z.string(), { error: 'must be switches separated by spaces, or a JSON list of texts' }),
    )
    .default([]),
  /** W3C capabilities that are merged over the library's own. */
  BROWSER_CAPABILITIES: z
    .preprocess(
      toJson,
      z.record(z.string(), z.unknown(), { error: 'must be a JSON object, such as {"pageLoadStrategy":"eager"}' }),
    )
    .default({}),
  /** Names of additional environment variables that the browser and its driver get. Variables that are not set are left out. */
  BROWSER_ENVIRONMENT: z
    .preprocess(
      toWords,
      z.array(
        z.string().regex(/^[^=]+$/, {
          error: ({ input }) =>
            `must be names of variables, but ${JSON.stringify(input?.split('=')[0])} is given with a value. Set the variable itself and ` +
            'give its name here: TZ=Asia/Tokyo BROWSER_ENVIRONMENT=TZ …',
        }),
        { error: 'must be names of variables separated by spaces' },
      ),
    )
    .default([]),
  /** The browser's proxy. Its URL must have no password, because Chromium accepts none. */
  BROWSER_PROXY: z
    .string()
    .regex(/^(http|socks[45]|pac\+(https?|file|data)):/, {
      error: ({ input }) =>
        `${/^https:/i.test(input ?? '') ? 'has the scheme https, which is not supported; it ' : ''}must be a URL such as ` +
        'http://proxy.test:3128, socks5://proxy.test:1080 or pac+http://proxy.test/file.pac',
    })
    .optional(),
  ACCEPT_INSECURE_CERTS: flag(false),
  /** A profile folder that is not removed. One session at a time can use it. Default: a new profile for each session. */
  USER_DATA_DIR: optionalPath,
  /** Default: the folder `downloads` in the output folder of the run. */
  DOWNLOAD_DIR: optionalPath,
  /** The folder in which `webdriver-supervisor/mocha` stores the screenshot, page and console of a failed test. */
  FAILURES_DIR: z.string().min(1).default('output/failures'),
  HEARTBEAT_INTERVAL_SECONDS: seconds(5),
  HEARTBEAT_TIMEOUT_SECONDS: seconds(3),
  COMMAND_TIMEOUT_SECONDS: seconds(120),
  /** A run without progress for this long is timed out. A run of many units may take up to three times as long. */
  SESSION_TIMEOUT_MINUTES: minutes(30),
  /** A run without progress for this long raises a warning. Default: half of the timeout. */
  SESSION_WARNING_THRESHOLD: duration('minutes', MAX_MINUTES).optional(),
  /** If there are more such warnings at a time, the `degradation` alert fires. */
  MAX_LONG_RUNNING_SESSIONS: whole('sessions', { min: 0, max: 1_000_000 }).default(3),
  /** The interval at which the monitor looks for stuck runs and sessions. */
  SESSION_HEALTH_CHECK_INTERVAL: seconds(300),
  /** If false, stuck runs and sessions are only reported. */
  AUTO_TIMEOUT_ENABLED: flag(true),
  /** If false, the monitor does not look for stuck runs and sessions. */
  HEALTH_CHECK_ENABLED: flag(true),
  /** A run continues on a new session between its steps if its session has reached one of these three limits. 0: no limit. */
  MAX_PAGES_PER_SESSION: whole('pages', { min: 0, max: 1_000_000_000 }).default(0),
  MAX_SESSION_AGE_MINUTES: whole('minutes', { min: 0, max: MAX_MINUTES }).default(0),
  /** Default: 80 % of the memory limit of the browser's control group, if it has one. */
  MAX_SESSION_MEMORY_MB: whole('megabytes', { min: 0, max: 100_000_000 }).optional(),
  /** The maximum number of sessions of one process at a time, idle ones included. */
  MAX_SESSIONS: whole('sessions', { min: 1, max: 10_000 }).default(100),
  /** If true, a run starts at most as many browsers of its own as fit into the free memory and the processors of this machine. */
  LIMIT_SESSIONS: flag(true),
  /** A run ends a further session of its own that no item has used for this long. 0: keeps it until the run is over. */
  IDLE_SESSION_SECONDS: whole('seconds', { min: 0, max: 1_000_000 }).default(30),
  SESSION_CLEANUP_ENABLED: flag(true),
  SESSION_CLEANUP_INTERVAL_MINUTES: minutes(15),
  /** The number of rows that one transaction removes. Default 400 on SQLite, 1 000 on PostgreSQL. */
  SESSION_CLEANUP_BATCH_SIZE: whole('rows', { min: 1, max: 100_000 }).optional(),
  /** If the monitor's own data take more memory than this, the `memory` alert fires. */
  SESSION_MAX_MEMORY_MB: whole('megabytes', { min: 1, max: 1_000_000 }).default(100),
  /** Runs, their records and events are removed after this time, except for records that were never exported. */
  RUN_RETENTION_DAYS: duration('days', 36_500).default(30),
  /** The maximum size of one record as JSON. */
  MAX_RECORD_MB: whole('megabytes', { min: 1, max: 64 }).default(16),
  /** If false, the state of a run's browser is only held in memory, so that a resumed run has to log in again. */
  KEEP_STATE: flag(true),
  /** The recordings of the last seconds of sessions: before deaths and failed steps, also at the end of each run, or none. */
  RECORD: z.enum(RECORD_MODES).default('deaths'),
  /** The receivers of alerts besides the log. These addresses are secrets and are never shown. */
  SLACK_WEBHOOK_URL: webAddress.optional(),
  ALERT_WEBHOOK_URL: webAddress.optional(),
  /** One address, or several separated by commas. Needs SMTP_URL. */
  ALERT_EMAIL: z
    .string()
    .regex(/^[^\s@,]+@[^\s@,]+(\s*,\s*[^\s@,]+@[^\s@,]+)*$/, {
      error: 'must be an e-mail address, or several separated by commas',
    })
    .optional(),
  SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'must be a URL such as smtps://user:password@mail.example.org' })
    .optional(),
  MONITOR_HOST: z
    .string()
    .regex(/^[\w.:%-]+$/, { error: 'must be a host name or an address' })
    .default('127.0.0.1'),
  /** 0 chooses any free port. */
  MONITOR_PORT: z
    .preprocess(toNumber, z.int({ error: PORT_ERROR }).min(0, PORT_ERROR).max(65_535, PORT_ERROR))
    .default(9464),
  /** Required for changes by HTTP, and for addresses that other machines can reach. If it is set, reads need it as well. */
  MONITOR_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,}$/, {
      error: 'must have at least 16 characters, printable ASCII without spaces. To make one: openssl rand -hex 32',
    })
    .optional(),
  /** If false, metrics don't name owners. */
  METRICS_OWNER_LABEL: flag(true),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  /** The form of everything that the commands write to stderr. */
  LOG_FORMAT: z.enum(LOG_FORMATS).default('text'),
});

export type SettingName = keyof z.input<typeof settingsSchema>;
export const SETTING_NAMES = Object.keys(settingsSchema.shape) as SettingName[];

export interface Config {
  readonly registryUrl: string;
  readonly gridUrl: string | undefined;
  readonly gridProxy: string | undefined;
  readonly gridStartTimeoutMs: number;
  readonly chromeBinary: string | undefined;
  readonly chromedriver: string | undefined;
  readonly firefoxBinary: string | undefined;
  readonly geckodriver: string | undefined;
  readonly edgeBinary: string | undefined;
  readonly edgedriver: string | undefined;
  readonly browser: 'chrome' | 'firefox' | 'MicrosoftEdge';
  readonly headless: boolean;
  readonly browserArguments: readonly string[];
  readonly browserCapabilities: Readonly<Record<string, unknown>>;
  readonly browserEnvironment: Readonly<Record<string, string>>;
  readonly browserProxy: string | undefined;
  readonly acceptsInsecureCerts: boolean;
  readonly userDataDir: string | undefined;
  readonly downloadDir: string | undefined;
  readonly failuresDir: string;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly warningThresholdMs: number;
  readonly maxLongRunningSessions: number;
  readonly healthCheckIntervalMs: number;
  readonly isAutoTimeoutEnabled: boolean;
  readonly isHealthCheckEnabled: boolean;
  readonly maxPagesPerSession: number;
  readonly maxSessionAgeMs: number;
  readonly maxSessionMemoryMb: number | undefined;
  readonly maxSessions: number;
  /** If true, a run starts at most as many browsers of its own as fit on this machine. */
  readonly limitSessions: boolean;
  readonly idleSessionMs: number;
  readonly isCleanupEnabled: boolean;
  readonly cleanupIntervalMs: number;
  /** If undefined, the default of the registry's database. */
  readonly cleanupBatchSize: number | undefined;
  readonly maxMemoryBytes: number;
  readonly runRetentionMs: number;
  readonly maxRecordBytes: number;
  readonly keepsState: boolean;
  readonly record: RecordMode;
  readonly slackWebhookUrl: string | undefined;
  readonly alertWebhookUrl: string | undefined;
  readonly alertEmail: string | undefined;
  readonly smtpUrl: string | undefined;
  readonly monitorHost: string;
  readonly monitorPort: number;
  readonly monitorToken: string | undefined;
  readonly hasOwnerLabel: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export interface ConfigSources {
  /** Values of the command line by setting name. Undefined values are ignored. */
  readonly flags?: Partial<Record<SettingName, unknown>>;
  /** Default: `process.env`. Empty texts count as not set. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The folder of `supervisor.json` and `supervisor.<NODE_ENV>.json`. Default: `config` in the project's root. */
  readonly folder?: string;
}

/** Variables whose value is a path and no secret, even if their name looks like a secret's: `PWD` is the current folder. */
const PATH_VARIABLE_NAME = /^(OLD)?PWD$|_(FILE|PATH|DIR|FOLDER|HOME|SOCK|SOCKET)$/i;

/**
 * Loads the settings. From then on, the secrets in the settings and in the environment are masked in everything that this process writes.
 * Throws {@link ConfigError}, which names the setting, the source of its value and what is allowed.
 */
export function loadConfig({ flags = {}, environment = process.env, folder }: ConfigSources = {}): Config {
  const fromFiles = readSettingsFiles(folder ?? projectPath('config'), {
    environmentName: environment['NODE_ENV'],
    known: SETTING_NAMES,
  });
  const layers: readonly [source: string, values: Readonly<Record<string, unknown>>][] = [
    ['the command line', flags],
    ['the environment', environment],
    ...fromFiles,
  ];
  const values: Record<string, unknown> = {};
  const sources = new Map<string, string>();
  for (const name of SETTING_NAMES) {
    const layer = layers.find(([, layerValues]) => layerValues[name] !== undefined && layerValues[name] !== '');
    if (layer === undefined) continue;
    values[name] = layer[1][name];
    sources.set(name, layer[0]);
  }
  const parsed = settingsSchema.safeParse(values);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      return `${name} (from ${sources.get(name)}) is ${describe(name, values[name])}: ${issue.message}.`;
    });
    throw new ConfigError(problems.join('\n'));
  }
  const config = toConfig(parsed.data, environment);
  // Actions also read passwords from the environment.
  settingSecrets.add(
    findSecrets(Object.fromEntries(Object.entries(environment).filter(([name]) => !PATH_VARIABLE_NAME.test(name)))),
  );
  settingSecrets.add(findSecrets(config));
  for (const address of [config.slackWebhookUrl, config.alertWebhookUrl])
    settingSecrets.add(findAddressSecrets(address ?? ''));
  return config;
}

function toConfig(settings: z.output<typeof settingsSchema>, environment: ConfigSources['environment'] = {}): Config {
  const { SESSION_TIMEOUT_MINUTES, SESSION_WARNING_THRESHOLD = SESSION_TIMEOUT_MINUTES / 2 } = settings;
  if (SESSION_WARNING_THRESHOLD >= SESSION_TIMEOUT_MINUTES) {
    throw new ConfigError(
      `SESSION_WARNING_THRESHOLD is ${SESSION_WARNING_THRESHOLD} minutes; it must be less than SESSION_TIMEOUT_MINUTES, which is ${SESSION_TIMEOUT_MINUTES}.`,
    );
  }
  return Object.freeze({
    registryUrl: toProjectUrl(settings.REGISTRY_URL),
    gridUrl: settings.GRID_URL,
    gridProxy: settings.GRID_PROXY,
    gridStartTimeoutMs: settings.GRID_START_TIMEOUT_SECONDS * 1_000,
    chromeBinary: settings.CHROME_BINARY,
    chromedriver: settings.CHROMEDRIVER,
    firefoxBinary: settings.FIREFOX_BINARY,
    geckodriver: settings.GECKODRIVER,
    edgeBinary: settings.EDGE_BINARY,
    edgedriver: settings.EDGEDRIVER,
    browser: settings.BROWSER,
    headless: settings.HEADLESS,
    browserArguments: settings.BROWSER_ARGUMENTS,
    browserCapabilities: settings.BROWSER_CAPABILITIES,
    browserEnvironment: pickVariables(settings.BROWSER_ENVIRONMENT, environment),
    browserProxy: settings.BROWSER_PROXY,
    acceptsInsecureCerts: settings.ACCEPT_INSECURE_CERTS,
    userDataDir: settings.USER_DATA_DIR,
    downloadDir: settings.DOWNLOAD_DIR,
    failuresDir: settings.FAILURES_DIR,
    heartbeatIntervalMs: settings.HEARTBEAT_INTERVAL_SECONDS * 1_000,
    heartbeatTimeoutMs: settings.HEARTBEAT_TIMEOUT_SECONDS * 1_000,
    commandTimeoutMs: settings.COMMAND_TIMEOUT_SECONDS * 1_000,
    sessionTimeoutMs: SESSION_TIMEOUT_MINUTES * 60_000,
    warningThresholdMs: SESSION_WARNING_THRESHOLD * 60_000,
    maxLongRunningSessions: settings.MAX_LONG_RUNNING_SESSIONS,
    healthCheckIntervalMs: settings.SESSION_HEALTH_CHECK_INTERVAL * 1_000,
    isAutoTimeoutEnabled: settings.AUTO_TIMEOUT_ENABLED,
    isHealthCheckEnabled: settings.HEALTH_CHECK_ENABLED,
    maxPagesPerSession: settings.MAX_PAGES_PER_SESSION,
    maxSessionAgeMs: settings.MAX_SESSION_AGE_MINUTES * 60_000,
    maxSessionMemoryMb: settings.MAX_SESSION_MEMORY_MB,
    maxSessions: settings.MAX_SESSIONS,
    limitSessions: settings.LIMIT_SESSIONS,
    idleSessionMs: settings.IDLE_SESSION_SECONDS * 1_000,
    isCleanupEnabled: settings.SESSION_CLEANUP_ENABLED,
    cleanupIntervalMs: settings.SESSION_CLEANUP_INTERVAL_MINUTES * 60_000,
    cleanupBatchSize: settings.SESSION_CLEANUP_BATCH_SIZE,
    maxMemoryBytes: settings.SESSION_MAX_MEMORY_MB * 1_000_000,
    runRetentionMs: settings.RUN_RETENTION_DAYS * 86_400_000,
    maxRecordBytes: settings.MAX_RECORD_MB * 1_000_000,
    keepsState: settings.KEEP_STATE,
    record: settings.RECORD,
    slackWebhookUrl: settings.SLACK_WEBHOOK_URL,
    alertWebhookUrl: settings.ALERT_WEBHOOK_URL,
    alertEmail: settings.ALERT_EMAIL,
    smtpUrl: settings.SMTP_URL,
    monitorHost: settings.MONITOR_HOST,
    monitorPort: settings.MONITOR_PORT,
    monitorToken: settings.MONITOR_TOKEN,
    hasOwnerLabel: settings.METRICS_OWNER_LABEL,
    logLevel: settings.LOG_LEVEL,
    logFormat: settings.LOG_FORMAT,
  });
}

/** Returns the value for a message. The values of URLs, tokens and variables may contain secrets and are not repeated. */
function describe(name: string, value: unknown): string {
  return /_(URL|TOKEN|PROXY|CAPABILITIES|ENVIRONMENT)$/.test(name) ? 'not usable' : JSON.stringify(value);
}

function pickVariables(names: readonly string[], environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
}

function duration(unit: string, max: number) {
  const error = `must be a number of ${unit}, more than 0 and at most ${max}`;
  return z.preprocess(toNumber, z.number({ error }).positive({ error }).max(max, { error }));
}
