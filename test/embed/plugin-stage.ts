import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import Mocha from 'mocha';
import { loadConfig } from '../../src/config/config.ts';
import { MochaPlugin } from '../../src/mocha/plugin.ts';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';
import { readStderr, runMocha } from './in-process.ts';

export interface Stage extends AsyncDisposable {
  readonly server: ScriptedWebDriver;
  readonly browser: MochaPlugin['browser'];
  readonly failures: string;
  /** Runs tests with the plug-in. Returns what reached stderr: the plug-in's lines and those of the reporter. */
  run(fill: (suite: Mocha.Suite) => void, options?: Mocha.MochaOptions): Promise<string>;
}

/** The plug-in on a scripted WebDriver server. `settings` are added to its environment. */
export async function openStage(settings: Record<string, string> = {}): Promise<Stage> {
  const server = await openScriptedWebDriver({
    answers: { 'GET /screenshot': { value: 'cGljdHVyZQ==' } },
  });
  const failures = await mkdtemp(path.join(tmpdir(), 'failures-'));
  const environment = { GRID_URL: server.url, HEARTBEAT_INTERVAL_SECONDS: '3600', FAILURES_DIR: failures, ...settings };
  const plugin = new MochaPlugin({ config: () => loadConfig({ environment, folder: failures }) });
  return {
    server,
    browser: plugin.browser,
    failures,
    run: (fill, options) => readStderr(() => runMocha(fill, { rootHooks: plugin.hooks, ...options })),
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(failures, { recursive: true });
    },
  };
}

/** Adds a test as mocha does for the `it` of a file. */
export const add = (suite: Mocha.Suite, title: string, fn: Mocha.AsyncFunc | Mocha.Func, file = 'test/cart.ts') => {
  const test = new Mocha.Test(title, fn);
  test.file = path.resolve(file);
  suite.addTest(test);
};
