/**
 * One schema, one frozen Config. Flags beat the environment, the environment beats the files in `config/`, those beat the defaults. A
 * wrong value is refused with its name and what is allowed, before anything starts.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { z } from 'zod';

import { ConfigError, toError } from '../core/errors.ts';
import { LOG_LEVELS } from '../core/log.ts';
import { findAddressSecrets, findSecrets } from '../core/redact.ts';
import { settingSecrets } from '../core/secrets.ts';

export { browserEnvironment } from './environment.ts';

/** A day; and less than the 2^31 ms (24.8 days) beyond which a timer fires at once. */
const MOST_SECONDS = 86_400;
const MOST_MINUTES = 24 * 24 * 60;
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
]);

const seconds = (defaultValue: number) => duration('seconds', MOST_SECONDS).default(defaultValue);
const minutes = (defaultValue: number) => duration('minutes', MOST_MINUTES).default(defaultValue);
const flag = (defaultValue: boolean) =>
  z
    .preprocess(
      (value) => (typeof value === 'string' ? (BOOLEANS.get(value.toLowerCase()) ?? value) : value),
      z.boolean({ error: 'must be true or false (or yes, no, on, off, 1, 0)' }),
    )
    .default(defaultValue);
const whole = (unit: string, { least, most }: { least: number; most: number }) => {
  const error = `must be a whole number of ${unit} from ${least} to ${most}`;
  return z.preprocess(toNumber, z.int({ error }).min(least, { error }).max(most, { error }));
};
const PORT_ERROR = 'must be a port, a whole number from 0 to 65535';
const webAddress = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });
const optionalPath = z.string().min(1).optional();

/** The settings by their names in the environment and in the files, with their units in the name. */
const settingsSchema = z.object({
  /** Where sessions, runs, steps and records are kept. */
  REGISTRY_URL: z
    .string()
    .regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)$/, {
      error: 'must be sqlite:<file>, such as sqlite:.supervisor/registry.db, or postgres://user@host/database',
    })
    .default('sqlite:.supervisor/registry.db'),
  /** A WebDriver endpoint to use instead of a driver of our own: a Selenium Grid or a running driver. */
  GRID_URL: webAddress.optional(),
  /** An HTTP proxy on the way to GRID_URL. */
  GRID_PROXY: webAddress.optional(),
  CHROME_BINARY: optionalPath,
  CHROMEDRIVER: optionalPath,
  /** Browsers other than Chrome and Chromium need GRID_URL. */
  BROWSER: z.enum(['chrome', 'firefox', 'MicrosoftEdge']).default('chrome'),
  HEADLESS: flag(true),
  /** Further switches of the browser: words separated by spaces, or a JSON list of texts. */
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
  /** Names of further environment variables that the browser and its driver see. Those that are not set are left out. */
  BROWSER_ENVIRONMENT: z
    .preprocess(
      toWords,
      z.array(
        z.string().regex(/^[^=]+$/, {
          error: ({ input }) =>
            `must be names of variables, and ${JSON.stringify(input?.split('=')[0])} is given with a value. Set the variable itself and ` +
            'name it: TZ=Asia/Tokyo BROWSER_ENVIRONMENT=TZ …',
        }),
        { error: 'must be names of variables separated by spaces' },
      ),
    )
    .default([]),
  /** The browser's proxy. Its URL takes no password: Chromium takes none. */
  BROWSER_PROXY: z
    .string()
    .regex(/^(http|socks[45]|pac\+(https?|file|data)):/, {
      error: ({ input }) =>
        `${/^https:/i.test(input ?? '') ? 'has the scheme https, which is not supported; it ' : ''}must be a URL such as ` +
        'http://proxy.test:3128, socks5://proxy.test:1080 or pac+http://proxy.test/file.pac',
    })
    .optional(),
  ACCEPT_INSECURE_CERTS: flag(false),
  /** A profile folder that is used and kept; one session at a time can use it. Default: a new profile for each session. */
  USER_DATA_DIR: optionalPath,
  /** Default: the folder downloads in the output folder of the run. */
  DOWNLOAD_DIR: optionalPath,
  /** Where `webdriver-supervisor/mocha` stores what a failed test leaves. */
  FAILURES_DIR: z.string().min(1).default('output/failures'),
  HEARTBEAT_INTERVAL_SECONDS: seconds(5),
  HEARTBEAT_TIMEOUT_SECONDS: seconds(3),
  COMMAND_TIMEOUT_SECONDS: seconds(120),
  /** A run without progress for so long is ended as timed out; one of many units is allowed up to three times as long. */
  SESSION_TIMEOUT_MINUTES: minutes(30),
  /** Without progress for so long a warning is given. Default: half of the timeout. */
  SESSION_WARNING_THRESHOLD: duration('minutes', MOST_MINUTES).optional(),
  /** More such warnings at a time than this are a degradation. */
  MAX_LONG_RUNNING_SESSIONS: whole('sessions', { least: 0, most: 1_000_000 }).default(3),
  /** How often the monitor looks for what is stuck. */
  SESSION_HEALTH_CHECK_INTERVAL: seconds(300),
  /** False: what is stuck is told, and left alone. */
  AUTO_TIMEOUT_ENABLED: flag(true),
  /** False: the monitor doesn't look for what is stuck. */
  HEALTH_CHECK_ENABLED: flag(true),
  /** Sessions that one process has at a time, idle ones included. */
  MAX_SESSIONS: whole('sessions', { least: 1, most: 10_000 }).default(100),
  SESSION_CLEANUP_ENABLED: flag(true),
  SESSION_CLEANUP_INTERVAL_MINUTES: minutes(15),
  /** Rows that one transaction removes. Default 50 on SQLite, 1 000 on PostgreSQL. */
  SESSION_CLEANUP_BATCH_SIZE: whole('rows', { least: 1, most: 100_000 }).optional(),
  /** Memory that the monitor's own data take; beyond it an alert is given. */
  SESSION_MAX_MEMORY_MB: whole('megabytes', { least: 1, most: 1_000_000 }).default(100),
  /** Runs, their records and events are removed after so long; records that were never exported stay. */
  RUN_RETENTION_DAYS: duration('days', 36_500).default(30),
  /** The largest record of an action, as JSON. */
  MAX_RECORD_MB: whole('megabytes', { least: 1, most: 64 }).default(16),
  /** False: the state of a run's browser is held in memory alone, so that a resumed run has to log in again. */
  KEEP_STATE: flag(true),
  /** Where alerts go, besides the log. These addresses are secrets: they are never shown. */
  SLACK_WEBHOOK_URL: webAddress.optional(),
  ALERT_WEBHOOK_URL: webAddress.optional(),
  /** One address, or several with commas between. Needs SMTP_URL. */
  ALERT_EMAIL: z
    .string()
    .regex(/^[^\s@,]+@[^\s@,]+(\s*,\s*[^\s@,]+@[^\s@,]+)*$/, {
      error: 'must be an e-mail address, or several with commas between',
    })
    .optional(),
  SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'must be a URL such as smtps://user:password@mail.example.org' })
    .optional(),
  MONITOR_HOST: z
    .string()
    .regex(/^[\w.:%-]+$/, { error: 'must be a host name or an address' })
    .default('127.0.0.1'),
  /** 0 takes any that is free. */
  MONITOR_PORT: z
    .preprocess(toNumber, z.int({ error: PORT_ERROR }).min(0, PORT_ERROR).max(65_535, PORT_ERROR))
    .default(9464),
  /** Needed to change anything by HTTP, and to listen beyond this machine. If it is set, reads need it as well. */
  MONITOR_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,}$/, {
      error:
        'must have at least 16 characters, printable ASCII without spaces. A good one is made by: openssl rand -hex 32',
    })
    .optional(),
  /** False: metrics don't name owners. */
  METRICS_OWNER_LABEL: flag(true),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
});

export type SettingName = keyof z.input<typeof settingsSchema>;
export const SETTING_NAMES = Object.keys(settingsSchema.shape) as SettingName[];

export interface Config {
  readonly registryUrl: string;
  readonly gridUrl: string | undefined;
  readonly gridProxy: string | undefined;
  readonly chromeBinary: string | undefined;
  readonly chromedriver: string | undefined;
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
  readonly maxSessions: number;
  readonly isCleanupEnabled: boolean;
  readonly cleanupIntervalMs: number;
  /** Undefined: what suits the registry's kind. */
  readonly cleanupBatchSize: number | undefined;
  readonly maxMemoryBytes: number;
  readonly runRetentionMs: number;
  readonly maxRecordBytes: number;
  readonly keepsState: boolean;
  readonly slackWebhookUrl: string | undefined;
  readonly alertWebhookUrl: string | undefined;
  readonly alertEmail: string | undefined;
  readonly smtpUrl: string | undefined;
  readonly monitorHost: string;
  readonly monitorPort: number;
  readonly monitorToken: string | undefined;
  readonly hasOwnerLabel: boolean;
  readonly logLevel: z.output<typeof settingsSchema>['LOG_LEVEL'];
}

export interface ConfigSources {
  /** Values given on the command line, by setting name; undefined ones were not given. */
  readonly flags?: Partial<Record<SettingName, unknown>>;
  /** Default `process.env`. Empty texts count as not set. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where `supervisor.json` and `supervisor.<NODE_ENV>.json` are looked for. Default `config` in the working directory. */
  readonly folder?: string;
}

/** Variables whose value is a place and no secret, whatever else their name may sound like: `PWD` is the current folder. */
const NAMES_OF_PATHS = /^(OLD)?PWD$|_(FILE|PATH|DIR|FOLDER|HOME|SOCK|SOCKET)$/i;

/**
 * Throws {@link ConfigError} naming the setting, its value's source and what is allowed. From then on the secrets among the settings
 * and in the environment are masked in all that this process writes.
 */
export function loadConfig({ flags = {}, environment = process.env, folder = 'config' }: ConfigSources = {}): Config {
  const fromFiles = readSettingsFiles(folder, environment['NODE_ENV']);
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
  // Actions read passwords from the environment, too.
  settingSecrets.add(
    findSecrets(Object.fromEntries(Object.entries(environment).filter(([name]) => !NAMES_OF_PATHS.test(name)))),
  );
  settingSecrets.add(findSecrets(config));
  for (const address of [config.slackWebhookUrl, config.alertWebhookUrl])
    settingSecrets.add(findAddressSecrets(address ?? ''));
  return config;
}

function toConfig(settings: z.output<typeof settingsSchema>, environment: ConfigSources['environment'] = {}): Config {
  if (settings.BROWSER !== 'chrome' && settings.GRID_URL === undefined) {
    throw new ConfigError(
      `BROWSER=${settings.BROWSER} needs GRID_URL: this program starts only Chrome and Chromium by itself.`,
    );
  }
  const { SESSION_TIMEOUT_MINUTES, SESSION_WARNING_THRESHOLD = SESSION_TIMEOUT_MINUTES / 2 } = settings;
  if (SESSION_WARNING_THRESHOLD >= SESSION_TIMEOUT_MINUTES) {
    throw new ConfigError(
      `SESSION_WARNING_THRESHOLD is ${SESSION_WARNING_THRESHOLD} minutes; it must be less than SESSION_TIMEOUT_MINUTES, which is ${SESSION_TIMEOUT_MINUTES}.`,
    );
  }
  return Object.freeze({
    registryUrl: settings.REGISTRY_URL,
    gridUrl: settings.GRID_URL,
    gridProxy: settings.GRID_PROXY,
    chromeBinary: settings.CHROME_BINARY,
    chromedriver: settings.CHROMEDRIVER,
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
    maxSessions: settings.MAX_SESSIONS,
    isCleanupEnabled: settings.SESSION_CLEANUP_ENABLED,
    cleanupIntervalMs: settings.SESSION_CLEANUP_INTERVAL_MINUTES * 60_000,
    cleanupBatchSize: settings.SESSION_CLEANUP_BATCH_SIZE,
    maxMemoryBytes: settings.SESSION_MAX_MEMORY_MB * 1_000_000,
    runRetentionMs: settings.RUN_RETENTION_DAYS * 86_400_000,
    maxRecordBytes: settings.MAX_RECORD_MB * 1_000_000,
    keepsState: settings.KEEP_STATE,
    slackWebhookUrl: settings.SLACK_WEBHOOK_URL,
    alertWebhookUrl: settings.ALERT_WEBHOOK_URL,
    alertEmail: settings.ALERT_EMAIL,
    smtpUrl: settings.SMTP_URL,
    monitorHost: settings.MONITOR_HOST,
    monitorPort: settings.MONITOR_PORT,
    monitorToken: settings.MONITOR_TOKEN,
    hasOwnerLabel: settings.METRICS_OWNER_LABEL,
    logLevel: settings.LOG_LEVEL,
  });
}

function readSettingsFiles(folder: string, environmentName: string | undefined): [string, Record<string, unknown>][] {
  const names = environmentName ? [`supervisor.${environmentName}.json`, 'supervisor.json'] : ['supervisor.json'];
  return names
    .map((name) => path.join(folder, name))
    .filter((file) => existsSync(file))
    .map((file) => [file, readSettingsFile(file)]);
}

function readSettingsFile(file: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (thrown) {
    throw new ConfigError(`${file} can't be read as JSON: ${toError(thrown).message}`, { cause: thrown });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ConfigError(`${file} must hold one JSON object of settings.`);
  }
  const unknown = Object.keys(content).filter((name) => !(SETTING_NAMES as string[]).includes(name));
  if (unknown.length > 0) {
    throw new ConfigError(
      `${file} has unknown settings: ${unknown.join(', ')}. Known are: ${SETTING_NAMES.join(', ')}.`,
    );
  }
  return content as Record<string, unknown>;
}

/** A URL or a variable may hold a password, and a token is one; such values are not repeated. */
function describe(name: string, value: unknown): string {
  return /_(URL|TOKEN|PROXY|CAPABILITIES|ENVIRONMENT)$/.test(name) ? 'not usable' : JSON.stringify(value);
}

function pickVariables(names: readonly string[], environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
}

/** From the environment all values come as texts. */
function toNumber(value: unknown): unknown {
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
}

function toJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function toWords(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.trim().startsWith('[') ? toJson(value) : value.trim().split(/\s+/).filter(Boolean);
}

/** Words are separated by spaces alone, so that a quoted value would be torn apart. */
function toUnquotedWords(value: unknown, context: z.core.$RefinementCtx): unknown {
  const words = toWords(value);
  if (typeof value === 'string' && !value.trim().startsWith('[') && /["']/.test(value))
    context.addIssue('must be a JSON list if there are spaces or quotes in a switch: ["--user-agent=my agent"]');
  return words;
}

function duration(unit: string, most: number) {
  const error = `must be a number of ${unit}, more than 0 and at most ${most}`;
  return z.preprocess(toNumber, z.number({ error }).positive({ error }).max(most, { error }));
}
