/**
 * The second half of the set-up: finds or installs a browser and its driver. If both are found, they are used as they are and nothing is
 * printed. Otherwise it tries Debian's packages (as root on Debian or Ubuntu), then Selenium Manager's download. If both fail, it prints
 * the command to type and ends with exit code 2.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installAdvice, readMachine, systemNames, type Machine } from '../src/cli/doctor/install-advice.ts';
import { locateBrowser, readVersions, versionsFit, type BrowserLocation } from '../src/driver/locate.ts';

const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;
const APT_TIMEOUT_MS = 10 * 60_000;
const LAST_LINES_SHOWN = 15;

type Missing = Extract<BrowserLocation, { missing: unknown }>;

if (import.meta.main) process.exitCode = await main();

async function main(): Promise<number> {
  // A Grid has its own browsers. This script finds only Chrome.
  if (process.env.GRID_URL || /^(?!chrome|chromium$)./i.test(process.env.BROWSER ?? '')) return 0;
  const location = await locate();
  if (location.found) return 0;
  if ('invalid' in location) {
    const { setting, path, reason } = location.invalid;
    say(`${setting}=${path}: the file ${reason}. Correct ${setting}, or unset it to search for one.`);
    return 2;
  }
  return setUp(location);
}

function locate(): Promise<BrowserLocation> {
  const { CHROME_BINARY, CHROMEDRIVER, PATH } = process.env;
  return locateBrowser({ browserPath: CHROME_BINARY, driverPath: CHROMEDRIVER, env: { PATH } });
}

async function setUp(location: Missing): Promise<number> {
  const machine = readMachine();
  const failures: string[] = [];
  for (const attempt of attempts(location, machine)) {
    const failure = await attempt();
    const after = await locate();
    if (!failure && after.found) return printVersions(after);
    if (failure) failures.push(failure);
  }
  const what = {
    browser: 'Chrome or Chromium',
    driver: 'chromedriver',
    both: 'Chrome or Chromium, and no chromedriver,',
  }[location.missing];
  say(`No ${what} was found, and none could be installed:`);
  for (const failure of failures) say(`  ${failure}`);
  say(`Type: ${installAdvice(machine)}`);
  say('Or set CHROME_BINARY and CHROMEDRIVER to your own, or GRID_URL to a Selenium Grid.');
  return 2;
}

/**
 * Returns the attempts in their order. Debian's two packages fit each other, but not a Chrome from elsewhere. For such a Chrome, Selenium
 * Manager finds the right driver.
 */
function attempts(location: Missing, { osRelease, isRoot }: Machine): (() => Promise<string | undefined>)[] {
  const fetch = () => fetchBySeleniumManager(location);
  if (!isRoot || !systemNames(osRelease).some((name) => name === 'debian' || name === 'ubuntu')) return [fetch];
  const isForeignBrowser = location.browserPath !== undefined && location.browserPath !== '/usr/bin/chromium';
  return isForeignBrowser ? [fetch, installByApt] : [installByApt, fetch];
}

async function installByApt(): Promise<string | undefined> {
  say('Installing the packages chromium and chromium-driver by apt-get (as root); this takes a few minutes.');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const update = await run('apt-get', ['update', '-qq'], { env, timeoutMs: APT_TIMEOUT_MS });
  // The update may fail because of an unrelated package source. The existing lists may still suffice, so the install is tried anyway.
  const install = await run(
    'apt-get',
    ['install', '-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', 'chromium', 'chromium-driver'],
    { env, timeoutMs: APT_TIMEOUT_MS },
  );
  if (install.code !== 0) return `apt-get install: ${lastLines(install.output || update.output)}`;
  // On Ubuntu the packages may only refer to a snap, which can't start in a container.
  return readVersions('/usr/bin/chromium', '/usr/bin/chromedriver').then(
    () => undefined,
    (error: unknown) => `apt-get installed a browser that does not start: ${String(error)}`,
  );
}

async function fetchBySeleniumManager({ browserPath }: Missing): Promise<string | undefined> {
  const manager = seleniumManagerPath();
  if (manager === undefined) return `Selenium Manager does not support ${process.platform} ${process.arch}.`;
  say(
    `Selenium Manager downloads ${browserPath ? 'the chromedriver of your browser' : 'Chrome for Testing and its chromedriver'}; this takes a minute or two.`,
  );
  const args = ['--browser', 'chrome', '--output', 'json', '--avoid-stats', '--skip-driver-in-path'];
  const browser = browserPath ? ['--browser-path', browserPath] : ['--force-browser-download'];
  const { code, output } = await run(manager, [...args, ...browser], {
    env: process.env,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
  });
  if (code !== 0) return `Selenium Manager: ${managerMessage(output)}`;
  const location = await locate();
  if (!location.found) return undefined;
  return readVersions(location.browserPath, location.driverPath).then(
    () => undefined,
    (error: unknown) => `Selenium Manager downloaded a browser that does not start: ${String(error)}`,
  );
}

function seleniumManagerPath(): string | undefined {
  const folder =
    process.platform === 'darwin'
      ? 'macos'
      : process.platform === 'linux'
        ? { x64: 'linux-x86_64', arm64: 'linux-arm64' }[process.arch as string]
        : undefined;
  if (folder === undefined) return undefined;
  const selenium = dirname(fileURLToPath(import.meta.resolve('selenium-webdriver/package.json')));
  return join(selenium, 'bin', folder, 'selenium-manager');
}

function managerMessage(output: string): string {
  try {
    return (JSON.parse(output) as { result: { message: string } }).result.message;
  } catch {
    return lastLines(output);
  }
}

async function printVersions({ browserPath, driverPath }: Extract<BrowserLocation, { found: true }>): Promise<number> {
  const { browser, driver } = await readVersions(browserPath, driverPath);
  say(`Browser: ${browserPath} ${browser}; driver: ${driverPath} ${driver}.`);
  if (!versionsFit(browser, driver))
    say('Their versions do not match. Set CHROME_BINARY and CHROMEDRIVER to a matching pair.');
  return 0;
}

/**
 * Runs a program without showing its output. Resolves with its exit code and its output, also if it can't be started or takes longer than
 * the timeout.
 */
function run(
  file: string,
  args: readonly string[],
  { env, timeoutMs }: { env: NodeJS.ProcessEnv; timeoutMs: number },
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const child = spawn(file, args, { env, timeout: timeoutMs, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', (error) => resolve({ code: 1, output: error.message }));
    child.once('close', (code) => {
      const output = Buffer.concat(chunks).toString();
      resolve(
        code === null ? { code: 1, output: `${output}\nended after ${timeoutMs / 60_000} minutes` } : { code, output },
      );
    });
  });
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-LAST_LINES_SHOWN).join('\n  ');
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
