/** Starts the two sessions that are compared: selenium's own driver, and the driver of a supervisor. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import chrome from 'selenium-webdriver/chrome.js';
import { descendantsOf, killProcess, waitUntilGone } from 'webdriver-supervisor/testing';
import { localBrowser } from '../driver/support/local-browser.ts';
import { startSettled } from '../support/start-settled.ts';

export const KINDS = ['bare', 'supervised'] as const;
export type Kind = (typeof KINDS)[number];

/** Changes the options of both sessions in the same way. */
export type Configure = (options: chrome.Options) => void;

export interface StartedSession extends AsyncDisposable {
  readonly driver: chrome.Driver;
}

/** Starts a session. Both kinds get the same options; the supervisor adds the switches that it adds for every user. */
export async function startSession(kind: Kind, configure: Configure = () => undefined): Promise<StartedSession> {
  const options = new chrome.Options();
  configure(options);
  return kind === 'bare' ? startBare(options) : startSupervised(options);
}

async function startSupervised(options: chrome.Options): Promise<StartedSession> {
  const supervisor = await startSettled({ capabilities: options });
  return {
    driver: supervisor.driver as chrome.Driver,
    [Symbol.asyncDispose]: () => supervisor.stop(),
  };
}

async function startBare(options: chrome.Options): Promise<StartedSession> {
  const { browserPath, driverPath } = await localBrowser();
  options.addArguments('--headless=new');
  if (process.getuid?.() === 0) options.addArguments('--no-sandbox');
  options.setBinaryPath(browserPath);
  // Selenium's own quit does not remove the profile.
  const folder = mkdtempSync(path.join(tmpdir(), 'bare-'));
  const environment = { ...process.env, TMPDIR: folder } as Record<string, string>;
  const service = new chrome.ServiceBuilder(driverPath).setEnvironment(environment).build();
  let browserPid: number | undefined;
  const end = async () => {
    const pids = browserPid === undefined ? [] : [browserPid, ...descendantsOf(browserPid).map(({ pid }) => pid)];
    await service.kill();
    for (const pid of pids) killProcess(pid, 'SIGKILL');
    await waitUntilGone(pids);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const driver = chrome.Driver.createSession(options, service);
    browserPid = (await driver.getCapabilities()).get('goog:processID') as number;
    return {
      driver,
      async [Symbol.asyncDispose]() {
        await driver.quit().catch(() => undefined);
        await end();
      },
    };
  } catch (thrown) {
    await end();
    throw thrown;
  }
}
