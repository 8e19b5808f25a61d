/**
 * Finds or installs Firefox and geckodriver. Firefox comes from Debian's package; Debian has no package of geckodriver, so cargo builds it
 * into this project's cache folder. If both are found, nothing is printed. Ends with exit code 2 if one can't be installed. The build comes
 * first: it needs no apt-get, which may be busy with Chromium, and Firefox is not installed if there is no driver for it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { driverFamilyOf } from '../src/driver/driver-family.ts';
import { BUILT_DRIVER_FOLDER, locateBrowser, readVersions, type BrowserLocation } from '../src/driver/locate.ts';

const APT_TIMEOUT_MS = 10 * 60_000;
const BUILD_TIMEOUT_MS = 20 * 60_000;
const VERSION_TIMEOUT_MS = 30_000;
const LINES_SHOWN = 5;

if (import.meta.main) process.exitCode = await main();

async function main(): Promise<number> {
  const location = await locateFirefox();
  if (location.found) return 0;
  if ('invalid' in location) {
    const { setting, path, reason } = location.invalid;
    say(`${setting}=${path}: the file ${reason}. Correct ${setting}, or unset it to search for one.`);
    return 2;
  }
  const failures = location.driverPath === undefined ? buildGeckodriver() : [];
  if (failures.length === 0 && location.browserPath === undefined) failures.push(...installFirefox());
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
  const options = ['-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300'];
  const install = run('apt-get', ['install', ...options, 'firefox-esr'], APT_TIMEOUT_MS);
  return install === undefined ? [] : [`apt-get install firefox-esr: ${install || update}`];
}

/** Builds with a low priority, so that other work can continue. */
function buildGeckodriver(): string[] {
  say('Building geckodriver by cargo; this takes a few minutes.');
  const root = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), BUILT_DRIVER_FOLDER, 'geckodriver');
  if (run('cargo', ['--version'], VERSION_TIMEOUT_MS) !== undefined)
    return ['cargo, which builds geckodriver, was not found or does not start. Install Rust: https://rustup.rs'];
  // Cargo leaves about a gigabyte after a failed build.
  const intermediate = mkdtempSync(join(tmpdir(), 'geckodriver-build-'));
  const switches = ['install', 'geckodriver', '--quiet', '--root', root, '--target-dir', intermediate];
  const failure = run('nice', ['cargo', ...switches], BUILD_TIMEOUT_MS);
  rmSync(intermediate, { recursive: true, force: true });
  return failure === undefined ? [] : [`cargo install geckodriver: ${failure}`];
}

/** Runs a program without showing its output. If it fails, returns the first error of cargo, or the last lines of another program. */
function run(file: string, args: readonly string[], timeout: number): string | undefined {
  // The installer of Rust adds this folder to the PATH of login shells only.
  const cargoFolder = join(process.env.CARGO_HOME || join(homedir(), '.cargo'), 'bin');
  const PATH = [process.env.PATH, cargoFolder].filter(Boolean).join(delimiter);
  const env = { ...process.env, PATH, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, error, stdout, stderr } = spawnSync(file, args, { env, timeout, encoding: 'utf8' });
  if (status === 0) return undefined;
  if (error !== undefined) return error.message;
  const lines = `${stdout}${stderr}`.trim().split('\n');
  const start = lines.findIndex((line) => line.startsWith('error'));
  return (start < 0 ? lines.slice(-LINES_SHOWN) : lines.slice(start, start + LINES_SHOWN)).join('\n  ');
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
