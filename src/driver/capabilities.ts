/** The capabilities of a session that this program starts, and selenium's driver object for it. */
import path from 'node:path';

import chrome from 'selenium-webdriver/chrome.js';
import edge from 'selenium-webdriver/edge.js';
import { Capabilities, WebDriver } from 'selenium-webdriver';

import {
  browserNameOf,
  mergeValues,
  toPlainCapabilities,
  toProxyCapability,
  type BrowserOptions,
} from './browser-options.ts';
import { addCallerStacks } from './caller-stack.ts';
import { driverClassOf, isChromium, isEdge } from './driver-class.ts';
import { needsNoSandbox } from './sandbox.ts';

/**
 * Switches that suppress first-run pages and the browser's own requests. Chromium's list of switches documents each of them. With the last
 * three, Chromium 156 sends nothing through a proxy in its first 40 s (measured). chromedriver joins several lists of disabled features.
 */
const QUIET_ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-features=NetworkTimeServiceQuerying,OptimizationHints',
  '--component-updater=url-source=http://127.0.0.1:1/',
  '--gaia-url=http://127.0.0.1:1/',
] as const;

/** Returns the capabilities for a new session. `browserPath` and the sandbox switch apply only if the browser runs on this machine. */
export function toCapabilities(
  options: BrowserOptions,
  { browserPath, isLocal }: { browserPath?: string; isLocal: boolean },
): Capabilities {
  const {
    headless = true,
    arguments: switches = [],
    capabilities = {},
    bidi = false,
    quiet = true,
    proxy,
    acceptInsecureCerts,
    userDataDir,
    downloadDir,
  } = options;
  const browserName = browserNameOf(options);
  let wanted: Capabilities;
  if (isChromium(browserName)) {
    const chromium = isEdge(browserName) ? new edge.Options() : new chrome.Options();
    chromium.addArguments(...(quiet ? QUIET_ARGUMENTS : []), ...switches);
    if (userDataDir !== undefined) chromium.addArguments(`--user-data-dir=${path.resolve(userDataDir)}`);
    if (downloadDir !== undefined) chromium.setUserPreferences(toDownloadPreferences(downloadDir));
    if (headless) chromium.addArguments('--headless=new');
    if (isLocal && needsNoSandbox()) chromium.addArguments('--no-sandbox');
    if (browserPath !== undefined) chromium.setBinaryPath(browserPath);
    wanted = chromium;
    wanted.set('browserName', browserName);
  } else {
    wanted = new Capabilities();
    wanted.set('browserName', browserName);
    if (browserName === 'firefox')
      wanted.set('moz:firefoxOptions', {
        args: [...(headless ? ['-headless'] : []), ...switches],
        ...(browserPath === undefined ? {} : { binary: browserPath }),
      });
  }
  if (bidi || !isChromium(browserName)) wanted.set('webSocketUrl', true);
  if (proxy !== undefined) wanted.set('proxy', toProxyCapability(proxy));
  if (acceptInsecureCerts !== undefined) wanted.set('acceptInsecureCerts', acceptInsecureCerts);
  for (const [name, value] of Object.entries(toPlainCapabilities(capabilities))) {
    wanted.set(name, mergeValues(wanted.get(name), value));
  }
  return wanted;
}

function toDownloadPreferences(folder: string): object {
  return { download: { default_directory: path.resolve(folder), prompt_for_download: false } };
}

/** Selenium's executor of commands. The types of its own module can't be imported from an ES module. */
type Executor = Extract<Parameters<typeof chrome.Driver.createSession>[1], { defineCommand: unknown }>;

export interface DriverOptions {
  readonly wanted: Capabilities;
  readonly executor: Executor;
  /** True if the browser may run on another machine. Files must be sent to it then. */
  readonly isRemote: boolean;
}

/** Creates selenium's driver object of the browser's own class, which has the vendor's commands. */
export function createDriver({ wanted, executor, isRemote }: DriverOptions): WebDriver {
  const Driver = driverClassOf(wanted.getBrowserName() ?? 'chrome');
  const driver: WebDriver =
    Driver === undefined ? WebDriver.createSession(executor, wanted) : Driver.createSession(wanted, executor);
  // The vendors' classes ignore file detectors; selenium's own builder restores them for remote browsers.
  if (Driver !== undefined && isRemote) driver.setFileDetector = WebDriver.prototype.setFileDetector.bind(driver);
  addCallerStacks(driver);
  return driver;
}
