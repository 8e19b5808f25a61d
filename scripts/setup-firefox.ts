/**
 * Finds or installs Firefox and geckodriver. Firefox comes from Debian's package; Debian has no package of geckodriver, so cargo builds it
 * into this project's cache folder. If both are found, nothing is printed. Ends with exit code 2 if one can't be installed.
 */
import { spawnSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { driverFamilyOf } from '../src/driver/driver-family.ts';
import { BUILT_DRIVER_FOLDER, locateBrowser, readVersions, type BrowserLocation } from '../src/driver/locate.ts';

const APT_TIMEOUT_MS = 10 * 60_000;
const BUILD_TIMEOUT_MS = 20 * 60_000;
const LAST_LINES_SHOWN = 5;

if (import.meta.main) process.exitCode = await main();

async function main(): Promise<number> {
  const location = await locateFirefox();
  if (location.found) return 0;
  if ('invalid' in location) {
    const { setting, path, reason } = location.invalid;
    say(`${setting}=${path}: the file ${reason}. Correct ${setting}, or unset it to search for one.`);
    return 2;
  }
  const failures = [
    ...(location.browserPath === undefined ? installFirefox() : []),
    ...(location.driverPath === undefined ? buildGeckodriver() : []),
  ];
  const after = await locateFirefox();
  if (after.found) {
    const { browser, driver } = await readVersions(after.browserPath, after.driverPath);
    say(`Browser: ${after.browserPath} ${browser}; driver: ${after.driverPath} ${driver}.`);
    return 0;
  }
  for (const failure of failures) say(failure);
  say('Install Firefox and geckodriver, or set FIREFOX_BINARY and GECKODRIVER to your own.');
  return 2;
}

/** Finds Firefox and geckodriver with the settings of the environment. */
export function locateFirefox(): Promise<BrowserLocation> {
  const { FIREFOX_BINARY, GECKODRIVER } = process.env;
  return locateBrowser({
    family: driverFamilyOf('firefox'),
    browserPath: FIREFOX_BINARY,
    driverPath: GECKODRIVER,
    env: process.env,
  });
}

function installFirefox(): string[] {
  say('Installing the package firefox-esr by apt-get (as root); this takes about half a minute.');
  const update = run('apt-get', ['update', '-qq'], APT_TIMEOUT_MS);
  const install = run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'firefox-esr'], APT_TIMEOUT_MS);
  return install === undefined ? [] : [`apt-get install firefox-esr: ${install || update}`];
}

/** Builds with a low priority, so that other work can continue. */
function buildGeckodriver(): string[] {
  say('Building geckodriver by cargo; this takes a few minutes.');
  const root = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), BUILT_DRIVER_FOLDER, 'geckodriver');
  const switches = ['install', 'geckodriver', '--quiet', '--root', root];
  const failure = run('nice', ['cargo', ...switches], BUILD_TIMEOUT_MS);
  return failure === undefined ? [] : [`cargo install geckodriver: ${failure}`];
}

/** Runs a program without showing its output. Returns its last lines if it fails. */
function run(file: string, args: readonly string[], timeout: number): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, error, stdout, stderr } = spawnSync(file, args, { env, timeout, encoding: 'utf8' });
  if (status === 0) return undefined;
  if (error !== undefined) return error.message;
  return `${stdout}${stderr}`.trim().split('\n').slice(-LAST_LINES_SHOWN).join('\n  ');
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
