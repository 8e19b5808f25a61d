/**
 * Finds a Chrome or Chromium and a chromedriver on this machine by looking at files only, in this order: explicit settings, PATH, the usual
 * places, Selenium Manager's cache. Downloads nothing, starts nothing but `--version`. What to do when nothing is found is the caller's concern.
 */
import { execFile, type ExecFileException } from 'node:child_process';
import { constants, globSync } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';

import { browserEnvironment } from '../config/config.ts';
import { findStartReason } from './start-reasons.ts';

const VERSION_TIMEOUT_MS = 5_000;
const BROWSER_NAMES = ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser', 'chrome'];
const DRIVER_NAMES = ['chromedriver', 'chromium.chromedriver'];
const BIN_FOLDERS = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin', '/snap/bin'];
const BROWSER_PLACES = [
  '/opt/google/chrome/chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];
const DRIVER_PLACES = [
  '/usr/lib/chromium/chromedriver',
  '/usr/lib/chromium-browser/chromedriver',
  '/usr/lib64/chromium-browser/chromedriver',
];
/** Chrome for Testing as Selenium Manager unpacks it: `<cache>/chrome/<platform>/<version>/…`. */
const CACHED_BROWSER_FILES = ['chrome', 'Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing'];
/** Ubuntu's `chromium-browser` package without the snap behind it is a script with these words. */
const SNAP_STUB_WORDS = 'requires the chromium snap to be installed';
const SNAP_STUB_MAX_BYTES = 8_192;

/** Where to look; all of it comes from the settings, nothing is read from the environment here. */
export interface LocateOptions {
  /** The setting `CHROME_BINARY`. */
  readonly chromeBinary?: string | undefined;
  /** The setting `CHROMEDRIVER`. */
  readonly chromedriver?: string | undefined;
  /** `PATH` as in the environment. Default: no PATH is searched. */
  readonly env?: { readonly PATH?: string | undefined };
  /** Home folder, for Selenium Manager's cache. Default: the user's. */
  readonly home?: string;
  /** Folders searched after PATH, instead of the usual places of Linux and macOS. */
  readonly places?: readonly string[];
}

/** What {@link locateBrowser} found; `invalid` is a setting that names a file that can't be run, told before anything else is tried. */
export type BrowserLocation =
  | { readonly found: true; readonly browserPath: string; readonly driverPath: string }
  | MissingBrowser
  | { readonly found: false; readonly invalid: InvalidBrowserSetting };

/** Nothing, or only half of the pair, which is named then. `lookedIn` has the folders and files that were searched, in order. */
export interface MissingBrowser {
  readonly found: false;
  readonly missing: 'browser' | 'driver' | 'both';
  readonly browserPath: string | undefined;
  readonly driverPath: string | undefined;
  readonly lookedIn: readonly string[];
}

/** An explicit setting that can't be used. `reason` reads after the path: "does not exist". */
export type InvalidBrowserSetting = Readonly<Record<'setting' | 'path' | 'reason', string>>;

/** Finds a browser and its driver. Stats files, so a call costs a few milliseconds; never throws for a file that isn't there. */
export async function locateBrowser(options: LocateOptions = {}): Promise<BrowserLocation> {
  const { chromeBinary, chromedriver, env = {}, home = homedir(), places } = options;
  for (const [setting, path] of Object.entries({ CHROME_BINARY: chromeBinary, CHROMEDRIVER: chromedriver })) {
    const reason = path ? await whyNotExecutable(path) : undefined;
    if (path && reason) return { found: false, invalid: { setting, path, reason } };
  }
  const cache = join(home, '.cache', 'selenium');
  const folders = [...new Set([...(env.PATH ?? '').split(delimiter).filter(Boolean), ...(places ?? BIN_FOLDERS)])];
  const installed = (names: readonly string[], usualPlaces: readonly string[]) =>
    firstExecutable([
      ...folders.flatMap((folder) => names.map((name) => join(folder, name))),
      ...(places ? [] : usualPlaces),
    ]);
  const fetched = (program: string, files: readonly string[]) =>
    firstExecutable(listCached(join(cache, program), files));

  const browserPath =
    chromeBinary || (await installed(BROWSER_NAMES, BROWSER_PLACES)) || (await fetched('chrome', CACHED_BROWSER_FILES));
  // A fetched browser is newer than any driver that lies around: its own was fetched with it.
  const kin = browserPath?.startsWith(cache) ? await fetched('chromedriver', ['chromedriver']) : undefined;
  const driverPath =
    chromedriver ||
    kin ||
    (await installed(DRIVER_NAMES, DRIVER_PLACES)) ||
    (await fetched('chromedriver', ['chromedriver']));

  if (browserPath && driverPath) return { found: true, browserPath, driverPath };
  const missing = browserPath ? 'driver' : driverPath ? 'browser' : 'both';
  const lookedIn = [...folders, ...(places ? [] : browserPath ? DRIVER_PLACES : BROWSER_PLACES), cache];
  return { found: false, missing, browserPath, driverPath, lookedIn };
}

/**
 * Asks both programs for their version, at the same time. `environment` has further variables that both see, as in a session. Rejects with
 * the program's own words when one fails or takes longer than 5 s.
 */
export async function readVersions(
  browserPath: string,
  driverPath: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Record<'browser' | 'driver', string>> {
  // Chromium refuses to start as root without --no-sandbox, even only to tell its version.
  const [browser, driver] = await Promise.all([
    readVersion(browserPath, ['--version', '--no-sandbox'], environment),
    readVersion(driverPath, ['--version'], environment),
  ]);
  return { browser, driver };
}

/** Whether a browser and a driver of these versions ("156.0.8078.79") work together: chromedriver supports its own major version only. */
export function versionsFit(browserVersion: string, driverVersion: string): boolean {
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

/** Files of `<folder>/<platform>/<version>/`, the newest version first: browser and driver fetched together have the same one. */
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
