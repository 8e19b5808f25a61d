import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import type chrome from 'selenium-webdriver/chrome.js';
import {
  By,
  defineAction,
  runAction,
  z,
  type ActionContext,
  type Config,
  type RunOptions,
  type SessionSupervisor,
} from 'webdriver-supervisor';
import { killProcess } from 'webdriver-supervisor/testing';

import { SELF_SIGNED } from '../../support/self-signed.ts';
import { makeTestConfig } from '../../support/scripted-run.ts';

const LOGIN = `<form method="post" action="/login"><button>log in</button></form>`;
const ROWS = '<ul><li>row</li></ul><a id="next" href="/rows?page=2">next</a>';

interface Stage {
  readonly entry: number;
  /** Kills the browser; resolves when its death is declared. */
  readonly kill: () => Promise<void>;
}

/** The same action in a later process, without a fault. */
const undisturbed =
  (work: (context: ActionContext, stage: Stage) => Promise<void>) => (context: ActionContext, stage: Stage) =>
    work(context, { ...stage, entry: 2 });

describe('The state of a run’s browser, on a real browser', () => {
  let site: Server;
  let url: string;
  let folder: string;
  let logins: number;

  before(async () => {
    site = createServer((request, response) => {
      request.resume();
      const isIn = /\bin=yes/.test(request.headers.cookie ?? '');
      response.setHeader('content-type', 'text/html');
      if (request.url === '/login' && request.method === 'POST') {
        logins += 1;
        response.setHeader('set-cookie', 'in=yes; HttpOnly; Path=/').end('<h1>welcome</h1>');
      } else response.end(`<!doctype html><title>${request.url}</title>${isIn ? ROWS : LOGIN}`);
    });
    await once(site.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  });

  after(async () => {
    site.closeAllConnections();
    await once(site.close(), 'close');
  });

  beforeEach(() => {
    logins = 0;
    folder = mkdtempSync(path.join(tmpdir(), 'state-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs an action given as a function, under a registry in the test's folder. */
  const run = (
    work: (context: ActionContext, stage: Stage) => Promise<void>,
    {
      restore = true,
      config = {},
      ...options
    }: Omit<RunOptions, 'config'> & { restore?: boolean; config?: Partial<Config> } = {},
  ) => {
    let supervisor: SessionSupervisor | undefined;
    let entry = 0;
    const kill = async () => {
      const { signal, pids } = supervisor!;
      const died = once(signal, 'abort');
      killProcess(pids.browser!);
      await died;
    };
    const action = defineAction({
      name: 'state',
      description: 'An action of a test.',
      params: z.object({}),
      restore,
      run: (context) => work(context, { entry: (entry += 1), kill }),
    });
    return runAction(
      action,
      {},
      {
        output: false,
        ...options,
        config: makeTestConfig({ ...config, registryUrl: `sqlite:${path.join(folder, 'registry.db')}` }),
        onSession: (started) => (supervisor ??= started),
      },
    );
  };

  const logIn = async ({ driver }: ActionContext) => {
    await driver.get(`${url}/`);
    await driver.findElement(By.css('button')).click();
  };
  const countRows = async ({ driver }: ActionContext) => (await driver.findElements(By.css('li'))).length;
  const stateFiles = () =>
    existsSync(path.join(folder, 'registry.db-state')) ? readdirSync(path.join(folder, 'registry.db-state')) : [];

  it('is restored after a death: the login of an earlier step, and the page that the last step left', async () => {
    const outcome = await run(async (context, { entry, kill }) => {
      await context.step('log in', () => logIn(context));
      await context.step('open', () => context.driver.get(`${url}/rows`));
      if (entry === 1) await kill();
      expect(await context.step('rows', () => countRows(context))).to.equal(1);
    });
    expect(outcome).to.include({ status: 'completed', error: null, sessions: 2 });
    expect(logins).to.equal(1);
    expect(stateFiles()).to.deep.equal([]);
  });

  for (const how of ['after a death', 'for a resumed run'] as const) {
    it(`contains the overrides that steps made by DevTools commands, ${how}`, async () => {
      const stop = new AbortController();
      const seen: unknown[] = [];
      const work = async ({ driver, step }: ActionContext, { entry, kill }: Stage) => {
        await step('be a phone', async () => {
          const chromium = driver as chrome.Driver;
          await chromium.sendDevToolsCommand('Emulation.setUserAgentOverride', { userAgent: 'phone 1' });
          await chromium.sendDevToolsCommand('Emulation.setUserAgentOverride', { userAgent: 'phone 2' });
          await chromium.sendDevToolsCommand('Emulation.setTimezoneOverride', { timezoneId: 'Asia/Tokyo' });
        });
        if (entry === 1 && how === 'after a death') await kill();
        if (entry === 1 && how === 'for a resumed run') stop.abort();
        await step('page', async () => {
          await driver.get(`${url}/rows`);
          const script = 'return [navigator.userAgent, Intl.DateTimeFormat().resolvedOptions().timeZone]';
          seen.push(await driver.executeScript(script));
        });
      };
      const first = await run(work, { signal: stop.signal });
      const outcome = first.status === 'completed' ? first : await run(undisturbed(work), { resume: first.runId });
      expect(outcome).to.include({ status: 'completed', error: null });
      expect(seen).to.deep.equal([['phone 2', 'Asia/Tokyo']]);
    });
  }

  it('fails the step that lists the windows of an earlier step, naming both', async () => {
    const outcome = await run(async ({ driver, step }, { entry, kill }) => {
      await step('open tabs', async () => {
        await driver.get(`${url}/rows`);
        await driver.switchTo().newWindow('tab');
        await driver.get(`${url}/rows`);
      });
      if (entry === 1) await kill();
      await step('other', () => driver.get(`${url}/rows`));
      await step('read tabs', async () => (await driver.getAllWindowHandles()).length);
    });
    expect(outcome.error).to.include({ code: 'replay-diverged' });
    expect(outcome.error?.message).to.match(
      /^The step "read tabs" continues on .*the step "open tabs".*further windows/,
    );
  });

  it('fails the step that uses data in the memory of a page’s scripts, although the page looks the same', async () => {
    const outcome = await run(async ({ driver, step }, { entry, kill }) => {
      await step('hover', async () => {
        await driver.get(`${url}/rows`);
        await driver.executeScript('window.seen = 1');
      });
      if (entry === 1) await kill();
      await step('look', async ({ save }) =>
        save({ seen: await driver.executeScript('return window.seen ?? 0') }, { key: 'seen' }),
      );
    });
    expect(outcome.error).to.include({ code: 'replay-diverged' });
    expect(outcome.error?.message).to.match(/^The step "look" continues on .*the step "hover".*script .*memory/);
  });

  it('gives a warning for a step that ended on the error page of an untrusted certificate, where `driver.get` resolves', async () => {
    const server = createTlsServer(SELF_SIGNED, (_request, response) => void response.end('<title>secret</title>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const outcome = await run(async ({ driver, step }) => {
      await step('open', () => driver.get(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`));
    });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(outcome.warnings).to.have.length(1);
    expect(outcome.warnings[0]).to.match(/^The step "open" has ended on an error page .*ACCEPT_INSECURE_CERTS/);
  });

  it('is stored for a resumed run in a file that only its user can read, and is removed when the run completes', async () => {
    const stop = new AbortController();
    const work = (dies: boolean) => async (context: ActionContext) => {
      await context.step('log in', () => logIn(context));
      await context.step('open', () => context.driver.get(`${url}/rows`));
      if (dies) stop.abort();
      expect(await context.step('rows', () => countRows(context))).to.equal(1);
    };
    const { runId } = await run(work(true), { signal: stop.signal });
    const file = path.join(folder, 'registry.db-state', `${runId}.json`);
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    expect(statSync(path.dirname(file)).mode & 0o777).to.equal(0o700);
    expect((JSON.parse(readFileSync(file, 'utf8')) as { cookies: object[] }).cookies[0]).to.include({ name: 'in' });
    const outcome = await run(work(false), { resume: runId });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(logins).to.equal(1);
    expect(existsSync(file)).to.equal(false);
  });

  it('that was stored more than a day ago is removed and not used', async () => {
    const stop = new AbortController();
    const { runId } = await run(
      async (context) => {
        await context.step('log in', () => logIn(context));
        stop.abort();
        context.signal.throwIfAborted();
      },
      { signal: stop.signal },
    );
    const file = path.join(folder, 'registry.db-state', `${runId}.json`);
    const yesterday = Date.now() / 1_000 - 25 * 3_600;
    utimesSync(file, yesterday, yesterday);
    await run(
      async ({ step, driver, api }) => {
        await step('log in', () => undefined);
        await driver.get(`${url}/`);
        expect(await (await api.fetch(`${url}/rows`)).text()).to.contain('log in');
      },
      { resume: runId },
    );
    expect(existsSync(file)).to.equal(false);
  });

  it('is not stored with KEEP_STATE=false', async () => {
    const stop = new AbortController();
    await run(
      async (context) => {
        await context.step('log in', () => logIn(context));
        stop.abort();
        context.signal.throwIfAborted();
      },
      { signal: stop.signal, config: { keepsState: false } },
    );
    expect(stateFiles()).to.deep.equal([]);
  });

  it('is not restored with `restore: false`', async () => {
    const outcome = await run(
      async (context, { entry, kill }) => {
        await context.step('log in', () => logIn(context));
        if (entry === 1) await kill();
        await context.step('rows', async () => {
          await context.driver.get(`${url}/rows`);
          expect(await countRows(context)).to.equal(entry === 1 ? 1 : 0);
        });
      },
      { restore: false },
    );
    expect(outcome).to.include({ status: 'completed', error: null });
  });

  it('fails the step that continues on the answer to a POST, and names both steps; --redo does the earlier one again', async () => {
    let kills = true;
    const work = async (context: ActionContext, { entry, kill }: Stage) => {
      await context.step('log in', () => logIn(context));
      if (entry === 1 && kills) await kill();
      await context.step('welcome', async ({ save }) => {
        save({ text: await context.driver.findElement(By.css('h1')).getText() }, { key: 'welcome' });
      });
    };
    const failed = await run(work);
    expect(failed).to.include({ status: 'failed' });
    expect(failed.error?.code).to.equal('replay-diverged');
    expect(failed.error?.message).to.contain('The step "welcome" continues on the page that the step "log in" left');
    kills = false;
    const redone = await run(work, { resume: failed.runId, redo: 'log in' });
    expect(redone).to.include({ status: 'completed', records: 1, error: null });
    // The changes of the forgotten step in the browser are forgotten, too.
    expect(logins).to.equal(2);
  });

  it('is applied to all sessions of a batch, for example a login in a step', async () => {
    const counts: number[] = [];
    const allUsed = Promise.withResolvers<void>();
    const outcome = await run(async (context) => {
      await context.step('log in', () => logIn(context));
      await context.batch(
        'pages',
        ['1', '2', '3'],
        async (page, { driver }) => {
          await driver.get(`${url}/rows?page=${page}`);
          counts.push((await driver.findElements(By.css('li'))).length);
          // No session gets a second item before each one has had one.
          if (counts.length === 3) allUsed.resolve();
          await allUsed.promise;
        },
        { key: (page) => page, sessions: 3 },
      );
    });
    expect(outcome).to.include({ status: 'completed', sessions: 3 });
    expect(counts).to.deep.equal([1, 1, 1]);
    expect(logins).to.equal(1);
  });

  it('is loaded from a file and updated in it, so that a daily run logs in once', async () => {
    const sessionState = path.join(folder, 'login.json');
    const work = async (context: ActionContext) => {
      await context.driver.get(`${url}/rows`);
      if ((await countRows(context)) === 0) await context.step('log in', () => logIn(context));
    };
    expect(await run(work, { sessionState })).to.include({ status: 'completed' });
    expect(logins).to.equal(1);
    expect(await run(work, { sessionState })).to.include({ status: 'completed' });
    expect(logins).to.equal(1);
  });

  it('is loaded from a file that Playwright has written', async () => {
    const sessionState = path.join(folder, 'playwright.json');
    const cookie = {
      name: 'in',
      value: 'yes',
      domain: '127.0.0.1',
      path: '/',
      expires: -1,
      httpOnly: true,
      secure: false,
    };
    const origins = [{ origin: url, localStorage: [{ name: 'token', value: 't' }] }];
    writeFileSync(sessionState, JSON.stringify({ cookies: [{ ...cookie, sameSite: 'Lax' }], origins }));
    const outcome = await run(
      async (context) => {
        await context.driver.get(`${url}/rows`);
        expect(await countRows(context)).to.equal(1);
        expect(await context.driver.executeScript('return localStorage.token')).to.equal('t');
      },
      { sessionState },
    );
    expect(outcome).to.include({ status: 'completed', error: null });
  });
});
