/** What a browser is asked to be when this program starts it. */
import chrome from 'selenium-webdriver/chrome.js';
import edge from 'selenium-webdriver/edge.js';
import { Capabilities, WebDriver } from 'selenium-webdriver';
import type { Executor } from 'selenium-webdriver/http/index.js';

/** Quiet without a network, nothing first-run. Each is documented in Chromium's list of switches. */
const QUIET_ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
] as const;

export interface BrowserOptions {
  /** Default true. */
  readonly headless?: boolean;
  /** Further command-line switches of the browser. */
  readonly arguments?: readonly string[];
  /** W3C capabilities that are merged over ours, such as `acceptInsecureCerts` or `goog:loggingPrefs`. */
  readonly capabilities?: Readonly<Record<string, unknown>>;
  /** Default `chrome`. Others are for endpoints that offer them; a local one is always Chromium or Chrome. */
  readonly browserName?: string;
  /**
   * Also ask for a WebDriver BiDi socket and watch it. It is watched without asking where there is no DevTools; with DevTools it adds
   * nothing but a slower start. Default false.
   */
  readonly bidi?: boolean;
}

/** Whether Chromium has to run without its sandbox: it refuses to start with one as root. */
export function needsNoSandbox(): boolean {
  return process.getuid?.() === 0;
}

function isChromium(browserName: string): boolean {
  return /chrom|edge/i.test(browserName);
}

/** Capabilities for a new session; `browserPath` and the sandbox switch only where the browser runs on this machine. */
export function toCapabilities(
  {
    headless = true,
    arguments: switches = [],
    capabilities = {},
    browserName = 'chrome',
    bidi = false,
  }: BrowserOptions,
  { browserPath, isLocal }: { browserPath?: string; isLocal: boolean },
): Capabilities {
  let wanted: Capabilities;
  if (isChromium(browserName)) {
    const options = isEdge(browserName) ? new edge.Options() : new chrome.Options();
    options.addArguments(...QUIET_ARGUMENTS, ...switches);
    if (headless) options.addArguments('--headless=new');
    if (isLocal && needsNoSandbox()) options.addArguments('--no-sandbox');
    if (browserPath !== undefined) options.setBinaryPath(browserPath);
    wanted = options;
    wanted.set('browserName', browserName);
  } else {
    wanted = new Capabilities();
    wanted.set('browserName', browserName);
    if (browserName === 'firefox')
      wanted.set('moz:firefoxOptions', { args: [...(headless ? ['-headless'] : []), ...switches] });
  }
  if (bidi || !isChromium(browserName)) wanted.set('webSocketUrl', true);
  for (const [name, value] of Object.entries(capabilities)) {
    wanted.set(name, merge(wanted.get(name), value));
  }
  return wanted;
}

function isEdge(browserName: string): boolean {
  return /edge/i.test(browserName);
}

/** Selenium's driver object of the browser's own class, which knows its vendor's commands. */
export function createDriver(browserName: string, wanted: Capabilities, executor: Executor): WebDriver {
  if (!isChromium(browserName)) return WebDriver.createSession(executor, wanted);
  // The types of Edge's driver leave out that it takes an executor, as Chrome's does.
  const { Driver } = isEdge(browserName) ? (edge as unknown as typeof chrome) : chrome;
  return Driver.createSession(wanted, executor);
}

/** Theirs over ours; lists, such as the browser's arguments, one after the other. */
function merge(ours: unknown, theirs: unknown): unknown {
  if (Array.isArray(ours) && Array.isArray(theirs)) return [...ours, ...theirs] as unknown[];
  if (!isPlainObject(ours) || !isPlainObject(theirs)) return theirs;
  const merged = { ...ours };
  for (const [name, value] of Object.entries(theirs)) merged[name] = merge(ours[name], value);
  return merged;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
