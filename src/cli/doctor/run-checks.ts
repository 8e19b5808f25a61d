/** The checks of `doctor`. A problem stops only the checks that depend on what it concerns. */
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { loadConfig, projectPath, type Config } from '../../config/config.ts';
import { toError } from '../../core/errors.ts';
import { redactUrl } from '../../core/redact.ts';
import {
  driverFamilyOf,
  locateBrowser,
  needsNoSandbox,
  openHttpClient,
  readVersions,
  versionsFit,
} from '../../driver/driver.ts';
import { localBrowserOf } from '../../supervisor/supervisor.ts';
import { describeMisfit } from './check-browser.ts';
import { checkPrivacy } from './check-privacy.ts';
import { checkRegistry } from './check-registry.ts';
import type { CheckResult } from './check-result.ts';
import { checkStart } from './check-start.ts';
import { checkZombies } from './check-zombies.ts';
import { installAdvice, readMachine } from './install-advice.ts';
import { listBrowsers } from './list-browsers.ts';

const GRID_LIMIT_MS = 5_000;
const MIN_SHARED_MEMORY_BYTES = 128 * 2 ** 20;
const MIN_FREE_SPACE_BYTES = 50 * 2 ** 20;
/** A Unix socket's path has at most 104 characters on macOS, and Chromium appends about 60. */
const MAX_TEMP_FOLDER_LENGTH = 30;

export async function runChecks(): Promise<CheckResult[]> {
  // The program refuses other versions before it loads this module.
  const node: CheckResult = { name: 'Node', status: 'ok', message: `${process.versions.node} (${process.execPath})` };
  let config: Config;
  try {
    config = loadConfig();
  } catch (thrown) {
    const settings: CheckResult = {
      name: 'settings',
      status: 'problem',
      message: toError(thrown).message,
      advice: 'Correct the settings; the other checks need them.',
    };
    return [node, settings, await checkTemporaryFolder(), ...checkPlatform()];
  }
  const zombies = checkZombies();
  const browsers =
    config.gridUrl === undefined ? await checkBrowser(config) : [await checkGrid(config.gridUrl, config.gridProxy)];
  const overview = config.gridUrl === undefined ? await listBrowsers(config) : [];
  const temporary = await checkTemporaryFolder();
  const canStart = ![...browsers, temporary].some(({ status }) => status === 'problem');
  const start = canStart ? [await checkStart(config)] : [];
  const registry = await checkRegistry(config);
  return [
    node,
    checkSettings(),
    ...overview,
    ...browsers,
    ...start,
    registry,
    checkPrivacy(config),
    temporary,
    await zombies,
    ...checkPlatform(),
  ];
}

function checkSettings(): CheckResult {
  const environment = process.env['NODE_ENV'];
  const files = ['supervisor.json', ...(environment ? [`supervisor.${environment}.json`] : [])].map((name) =>
    path.join('config', name),
  );
  const found = files.filter((file) => existsSync(projectPath(file)));
  return {
    name: 'settings',
    status: 'ok',
    message:
      found.length === 0 ? `no ${files.join(' or ')}: defaults and environment variables apply` : found.join(', '),
  };
}

async function checkBrowser(config: Config): Promise<CheckResult[]> {
  const { browserName, ...programs } = localBrowserOf(config);
  const family = driverFamilyOf(browserName);
  const { settings } = family;
  const command = family.name === 'chrome' ? installAdvice(readMachine()) : undefined;
  const own = `et ${settings.browser} and ${settings.driver} to your own, or GRID_URL to a Selenium Grid.`;
  const advice =
    command === undefined
      ? `Install ${family.browser} and ${family.driver}, or s${own}`
      : `Type: ${command}. Or s${own}`;
  const location = await locateBrowser({ family, ...programs, env: process.env });
  if (!location.found) {
    if ('invalid' in location) {
      const { setting, path: file, reason } = location.invalid;
      return [
        {
          name: 'browser',
          status: 'problem',
          message: `${setting} is ${file}, which ${reason}.`,
          advice: 'Correct the setting, or unset it: the program then looks for a browser and a driver itself.',
        },
      ];
    }
    const { browserPath, driverPath } = location;
    return [
      browserPath === undefined
        ? { name: 'browser', status: 'problem', message: `no ${family.browser} was found.`, advice }
        : { name: 'browser', status: 'ok', message: browserPath },
      driverPath === undefined
        ? { name: 'driver', status: 'problem', message: `no ${family.driver} was found.`, advice }
        : { name: 'driver', status: 'ok', message: driverPath },
    ];
  }
  const { browserPath, driverPath } = location;
  try {
    const { browser, driver } = await readVersions(browserPath, driverPath, config.browserEnvironment);
    const isFit = versionsFit(browser, driver, family);
    const fit: CheckResult = {
      name: 'fit',
      status: 'ok',
      message: 'browser and driver are of the same version',
    };
    const misfit: CheckResult = {
      name: 'fit',
      status: 'problem',
      message: describeMisfit({ browserPath, browser, driverPath, driver }, family),
    };
    return [
      { name: 'browser', status: 'ok', message: `${browser} (${browserPath})` },
      { name: 'driver', status: 'ok', message: `${driver} (${driverPath})` },
      ...(family.hasMatchingVersions ? [isFit ? fit : misfit, checkSandbox()] : []),
    ];
  } catch (thrown) {
    return [{ name: 'browser', status: 'problem', message: `it does not start: ${toError(thrown).message}`, advice }];
  }
}

function checkSandbox(): CheckResult {
  if (!needsNoSandbox()) return { name: 'sandbox', status: 'ok', message: 'the browser is started with its sandbox' };
  return {
    name: 'sandbox',
    status: 'warning',
    message: 'you are root, so the browser is started with --no-sandbox: pages are less well isolated.',
    advice: 'Visit only pages that you trust, or run as another user.',
  };
}

async function checkGrid(url: string, proxy: string | undefined): Promise<CheckResult> {
  const name = 'Grid';
  const shown = `${redactUrl(url)}${proxy === undefined ? '' : ` through the proxy ${redactUrl(proxy)}`}`;
  const http = await openHttpClient(url, { proxy });
  try {
    const signal = AbortSignal.timeout(GRID_LIMIT_MS);
    const { status, body } = await http.send({ method: 'GET', path: '/status', signal });
    const { value } = JSON.parse(body) as { value?: { ready?: boolean; message?: string } };
    if (value?.ready === true) return { name, status: 'ok', message: `${shown} is ready` };
    return {
      name,
      status: 'problem',
      message: `${shown} is not ready: ${value?.message ?? `HTTP ${status}`}`,
      advice: 'Start a node for it, or wait until it is up.',
    };
  } catch (thrown) {
    const { code, message } = toError(thrown) as NodeJS.ErrnoException;
    return {
      name,
      status: 'problem',
      message: `${shown} does not answer (${code ?? message}).`,
      advice: 'Start it, correct GRID_URL and GRID_PROXY, or unset them to use a browser of this machine.',
    };
  } finally {
    http.close();
  }
}

async function checkTemporaryFolder(): Promise<CheckResult> {
  const root = tmpdir();
  const name = 'temp folder';
  try {
    const folder = await mkdtemp(path.join(root, 'webdriver-doctor-'));
    await writeFile(path.join(folder, 'probe'), '');
    await rm(folder, { recursive: true });
    const { bsize, bavail } = statfsSync(root);
    if (bsize * bavail < MIN_FREE_SPACE_BYTES) {
      const message = `${root} has only ${Math.round((bsize * bavail) / 2 ** 20)} MB free; a browser writes about 50 MB there.`;
      return { name, status: 'problem', message, advice: 'Free some space, or set TMPDIR to another folder.' };
    }
  } catch (thrown) {
    return {
      name,
      status: 'problem',
      message: `${root} can't be written to: ${toError(thrown).message}`,
      advice: 'Correct its permissions or free some space, or set TMPDIR to another folder.',
    };
  }
  if (root.length > MAX_TEMP_FOLDER_LENGTH)
    return {
      name,
      status: 'ok',
      message: `${root}; browsers use /tmp, because this path is too long for their sockets`,
    };
  return { name, status: 'ok', message: root };
}

function checkPlatform(): CheckResult[] {
  const system: CheckResult = { name: 'system', status: 'ok', message: `${process.platform} ${process.arch}` };
  if (process.platform === 'darwin') {
    const message = `${system.message}: there is no /proc, so only the driver's list of sessions shows whether an idle browser was killed or quit`;
    return [{ ...system, message }];
  }
  if (process.platform !== 'linux') {
    return [
      {
        ...system,
        status: 'problem',
        message: `${system.message} is not supported.`,
        advice: 'Use Linux or macOS; on Windows, WSL.',
      },
    ];
  }
  return [system, ...checkSharedMemory()];
}

/** Chromium's tabs crash when the shared memory is full. Docker's default is 64 MB. */
function checkSharedMemory(): CheckResult[] {
  const name = 'shared memory';
  try {
    readFileSync('/proc/self/stat');
    const { bsize, blocks } = statfsSync('/dev/shm');
    const megabytes = Math.round((bsize * blocks) / 2 ** 20);
    if (bsize * blocks >= MIN_SHARED_MEMORY_BYTES)
      return [{ name, status: 'ok', message: `/dev/shm has ${megabytes} MB` }];
    return [
      {
        name,
        status: 'warning',
        message: `/dev/shm has only ${megabytes} MB: tabs may crash on big pages.`,
        advice: 'In Docker: --shm-size=1g. Elsewhere: BROWSER_ARGUMENTS=--disable-dev-shm-usage.',
      },
    ];
  } catch (thrown) {
    return [
      {
        name,
        status: 'warning',
        message: `/dev/shm or /proc can't be read (${toError(thrown).message}): deaths are reported less exactly.`,
      },
    ];
  }
}
