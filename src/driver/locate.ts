/**
 * Finds a browser of a family and its driver on this machine. Looks only at files, in this order: explicit settings, PATH, the usual
 * folders, this project's and Selenium Manager's caches. It downloads nothing and starts no program except for `--version`. The caller decides what to do if
 * nothing is found.
 */
import { execFile, type ExecFileException } from 'node:child_process';
import { constants, globSync } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';

import { browserEnvironment } from '../config/config.ts';
import { driverFamilyOf, type DriverFamily } from './driver-family.ts';
import { findStartReason } from './start-reasons.ts';

const VERSION_TIMEOUT_MS = 5_000;
const BIN_FOLDERS = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin', '/snap/bin'];
/** The folder in which `npm run setup:firefox` installs geckodriver, inside of the cache folder. */
export const BUILT_DRIVER_FOLDER = 'webdriver-supervisor';
/** A text in Ubuntu's `chromium-browser` script, which starts no browser if the snap is not installed. */
const SNAP_STUB_WORDS = 'requires the chromium snap to be installed';
const SNAP_STUB_MAX_BYTES = 8_192;

/** The settings of a search. The caller passes all of them; this module reads no environment variables. */
export interface LocateOptions {
  /** The family of the browser. Default: Chrome's. */
  readonly family?: DriverFamily | undefined;
  /** The setting that names the browser, such as `CHROME_BINARY`. */
  readonly browserPath?: string | undefined;
  /** The setting that names the driver, such as `CHROMEDRIVER`. */
  readonly driverPath?: string | undefined;
  /** The variables `PATH` and `XDG_CACHE_HOME`. Default: no PATH is searched. */
  readonly env?: { readonly PATH?: string | undefined; readonly XDG_CACHE_HOME?: string | undefined };
  /** The home folder, which contains Selenium Manager's cache. Default: the user's. */
  readonly home?: string;
  /** The folders searched after PATH. Default: the usual folders of Linux and macOS. */
  readonly folders?: readonly string[];
}

/**
 * The result of {@link locateBrowser}. `invalid` is a setting that names a file that can't be run; it is reported before anything else is
 * searched.
 */
export type BrowserLocation =
  | { readonly found: true; readonly browserPath: string; readonly driverPath: string }
  | MissingBrowser
  | { readonly found: false; readonly invalid: InvalidBrowserSetting };

/**
 * The search found nothing, or only a browser or only a driver; `missing` says which one is missing. `lookedIn` lists the folders and files
 * that were searched, in order.
 */
export interface MissingBrowser {
  readonly found: false;
  readonly missing: 'browser' | 'driver' | 'both';
  readonly browserPath: string | undefined;
  readonly driverPath: string | undefined;
  readonly lookedIn: readonly string[];
}

/** An explicit setting that can't be used. `reason` is a phrase that follows the path, such as "does not exist". */
export type InvalidBrowserSetting = Readonly<Record<'setting' | 'path' | 'reason', string>>;

/** Finds a browser and its driver. It only checks files, so a call takes a few milliseconds. Never throws if a file does not exist. */
export async function locateBrowser(options: LocateOptions = {}): Promise<BrowserLocation> {
  const { browserPath: givenBrowser, driverPath: givenDriver, env = {}, home = homedir(), folders } = options;
  const { family = driverFamilyOf() } = options;
  const { settings, cached } = family;
  for (const [setting, path] of [
    [settings.browser, givenBrowser],
    [settings.driver, givenDriver],
  ] as const) {
    const reason = path ? await whyNotExecutable(path) : undefined;
    if (path && reason) return { found: false, invalid: { setting, path, reason } };
  }
  const cacheRoot = env.XDG_CACHE_HOME || join(home, '.cache');
  // Selenium Manager ignores XDG_CACHE_HOME.
  const cache = join(home, '.cache', 'selenium');
  const searchedFolders = [
    ...new Set([...(env.PATH ?? '').split(delimiter).filter(Boolean), ...(folders ?? BIN_FOLDERS)]),
  ];
  const installed = (names: readonly string[], usualPaths: readonly string[]) =>
    firstExecutable([
      ...searchedFolders.flatMap((folder) => names.map((name) => join(folder, name))),
      ...(folders ? [] : usualPaths),
    ]);
  const built = family.driverNames.map((name) => join(cacheRoot, BUILT_DRIVER_FOLDER, name, 'bin', name));
  const fetched = (program: string, files: readonly string[]) =>
    firstExecutable(listCached(join(cache, program), files));

  const browserPath =
    givenBrowser ||
    (await installed(family.browserNames, family.browserPaths)) ||
    (await fetched(cached.browserFolder, cached.browserFiles));
  // A browser from the cache is newer than the installed drivers; its own driver was downloaded with it.
  const cachedDriver = browserPath?.startsWith(cache) ? await fetched(cached.driverFolder, [family.driver]) : undefined;
  const driverPath =
    givenDriver ||
    cachedDriver ||
    (await installed(family.driverNames, family.driverPaths)) ||
    (await firstExecutable(built)) ||
    (await fetched(cached.driverFolder, [family.driver]));

  if (browserPath && driverPath) return { found: true, browserPath, driverPath };
  const missing = browserPath ? 'driver' : driverPath ? 'browser' : 'both';
  const usualPaths = browserPath ? family.driverPaths : family.browserPaths;
  const lookedIn = [...searchedFolders, ...(folders ? [] : usualPaths), cache];
  return { found: false, missing, browserPath, driverPath, lookedIn };
}

/**
 * Asks both programs for their version, concurrently. `environment` has additional variables for both, as in a session. Rejects with the
 * program's own error text if one fails or takes longer than 5 s.
 */
export async function readVersions(
  browserPath: string,
  driverPath: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Record<'browser' | 'driver', string>> {
  // As root, Chromium refuses to start without --no-sandbox, even with --version.
  const [browser, driver] = await Promise.all([
    readVersion(browserPath, ['--version', '--no-sandbox'], environment),
    readVersion(driverPath, ['--version'], environment),
  ]);
  return { browser, driver };
}

/**
 * Returns whether a browser and a driver of these versions ("156.0.8078.79") work together: chromedriver supports only its own major
 * version. geckodriver supports all recent versions of Firefox.
 */
export function versionsFit(browserVersion: string, driverVersion: string, family = driverFamilyOf()): boolean {
  if (!family.hasMatchingVersions) return true;
  return browserVersion.split('.')[0] === driverVersion.split('.')[0];
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  const usable = await Promise.all(
    paths.map(async (path) => !(await whyNotExecutable(path)) && !(await isSnapStub(path))),
  );
  return paths[usable.indexOf(true)];
}

async function whyNotExecutable(path: string): Promise<string | undefined> {
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isFile()) return stats ? 'is not a file' : 'does not exist';
  const refusal = await access(path, constants.X_OK).catch((error: unknown) => error);
  return refusal === undefined ? undefined : 'is not executable';
}

async function isSnapStub(path: string): Promise<boolean> {
  if (!path.endsWith('-browser') || (await stat(path)).size > SNAP_STUB_MAX_BYTES) return false;
  return (await readFile(path, 'utf8')).includes(SNAP_STUB_WORDS);
}

/**
 * Lists files of `<folder>/<platform>/<version>/`, the newest version first. A browser and a driver that were downloaded together have the
 * same version.
 */
function listCached(folder: string, files: readonly string[]): string[] {
  const versionFolders = globSync('*/*', { cwd: folder });
  const newestFirst = versionFolders.sort((a, b) => basename(b).localeCompare(basename(a), 'en', { numeric: true }));
  return newestFirst.flatMap((versionFolder) => files.map((file) => join(folder, versionFolder, file)));
}

async function readVersion(
  path: string,
  flags: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const env = browserEnvironment(environment);
  const limits = { timeout: VERSION_TIMEOUT_MS, killSignal: 'SIGKILL', env } as const;
  const { stdout } = await promisify(execFile)(path, flags, limits).catch((error: ExecFileException) => {
    const words = error.killed
      ? `no answer within ${VERSION_TIMEOUT_MS / 1000} s`
      : (findStartReason(`${error.message}\n${error.stderr ?? ''}`, [path]) ?? error.stderr?.trim().split('\n').at(-1));
    throw new Error(`${path} --version: ${words || error.message}`, { cause: error });
  });
  const version = /\d+(?:\.\d+)+/.exec(stdout)?.[0];
  if (version === undefined) throw new Error(`${path} --version: no version in "${stdout.trim()}"`);
  return version;
}
