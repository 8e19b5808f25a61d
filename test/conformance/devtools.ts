/** Selenium's own DevTools connections and commands. */
import { By, logging } from 'selenium-webdriver';
import type chrome from 'selenium-webdriver/chrome.js';
import type { WebSocket } from 'ws';
import { eventually } from '../support/eventually.ts';
import { errorName, type SessionBody } from './compare.ts';
import type { Site } from './site.ts';

/** The part of selenium's connection that its types omit. */
interface Connection {
  send(method: string, params: object): Promise<{ result: Record<string, unknown> }>;
  execute(method: string, params: object, callback: null): void;
}

async function connect(driver: chrome.Driver): Promise<Connection & WebSocket> {
  return (await driver.createCDPConnection('page')) as Connection & WebSocket;
}

/** Waits until the browser has processed all earlier commands, because selenium does not wait for the commands that subscribe to events. */
async function settle(connection: Connection): Promise<void> {
  await connection.send('Runtime.evaluate', { expression: '1' });
}

/** Serves a page that requires a user and a password. */
function protectedPage(site: Site): string {
  return site.answer('/protected', (request, response) => {
    const isKnown = request.headers.authorization === `Basic ${Buffer.from('ann:secret').toString('base64')}`;
    const headers = { 'content-type': 'text/html', ...(isKnown ? {} : { 'www-authenticate': 'Basic realm="x"' }) };
    response.writeHead(isKnown ? 200 : 401, headers).end(`<title>${isKnown ? 'welcome' : 'no'}</title>`);
  });
}

export const devtoolsBodies: readonly SessionBody[] = [
  {
    name: 'a DevTools connection to a page evaluates, navigates and receives events',
    async run({ start, site }) {
      const { driver } = await start();
      const connection = await connect(driver);
      await connection.send('Page.enable', {});
      await connection.send('Page.navigate', { url: site.page('/page', '<p>x</p>') });
      await driver.wait(async () => (await driver.getTitle()) === 'page', 10_000);
      const { result } = await connection.send('Runtime.evaluate', {
        expression: 'document.title + 1',
        returnByValue: true,
      });
      const wrong = await connection.send('No.suchMethod', {});
      return { value: result['result'], wrong: Object.keys(wrong).includes('error') };
    },
    expected: { value: { type: 'string', value: 'page1' }, wrong: true },
  },
  {
    name: 'a DevTools connection to the browser lists its targets',
    async run({ start, site }) {
      const { driver } = await start();
      await driver.get(site.page('/page'));
      await driver.executeScript('window.open("about:blank")');
      const connection = (await driver.createCDPConnection('browser')) as unknown as Connection;
      const { result } = await connection.send('Target.getTargets', {});
      const targets = result['targetInfos'] as { type: string; url: string }[];
      return targets
        .filter(({ type }) => type === 'page')
        .map(({ url }) => site.relative(url))
        .sort();
    },
    expected: ['/page', 'about:blank'],
  },
  {
    name: "a listener of log events receives the page's log",
    async run({ start, site }) {
      const { driver } = await start();
      const heard: unknown[] = [];
      const connection = await connect(driver);
      await driver.onLogEvent(connection, (event: unknown) => {
        const { type, args } = event as { type: string; args: { value: unknown }[] };
        heard.push([type, args.map(({ value }) => value)]);
      });
      await settle(connection);
      await driver.get(site.page('/page', '<script>console.log("one", 2); console.error("three")</script>'));
      await eventually(async () => heard.length === 2, 'two log events');
      return heard;
    },
    expected: [
      ['log', ['one', 2]],
      ['error', ['three']],
    ],
  },
  {
    name: "a listener of exceptions receives the page's exceptions",
    async run({ start, site }) {
      const { driver } = await start();
      const heard: string[] = [];
      const connection = await connect(driver);
      await driver.onLogException(connection, (event: unknown) => {
        heard.push(
          (event as { exceptionDetails: { exception: { className: string } } }).exceptionDetails.exception.className,
        );
      });
      await settle(connection);
      await driver.get(site.page('/page', '<script>throw new RangeError("x")</script>'));
      await eventually(async () => heard.length === 1, 'an exception');
      return heard;
    },
    expected: ['RangeError'],
  },
  {
    name: 'a listener of mutations receives a changed attribute',
    async run({ start, site }) {
      const { driver } = await start();
      const heard: unknown[] = [];
      const connection = await connect(driver);
      await driver.logMutationEvents(connection, (event: unknown) => {
        const { attribute_name, current_value } = event as Record<string, unknown>;
        heard.push([attribute_name, current_value]);
      });
      await settle(connection);
      await driver.get(site.page('/page', '<p onclick="this.className = &quot;new&quot;">x</p>'));
      await driver.findElement(By.css('p')).click();
      await eventually(async () => heard.length > 0, 'a mutation');
      return heard[0];
    },
    expected: ['class', 'new'],
  },
  {
    name: 'a registered user and password open a protected page',
    async run({ start, site }) {
      const { driver } = await start();
      const url = protectedPage(site);
      await driver.get(url);
      const before = await driver.getTitle();
      await driver.register('ann', 'secret', await connect(driver));
      await driver.get(url);
      const after = await driver.getTitle();
      await driver.get(site.page('/page', '<p>x</p>'));
      return { before, after, next: await driver.getTitle() };
    },
    expected: (value: { after: string; next: string }) =>
      expectTrue(value.after === 'welcome' && value.next === 'page', value),
  },
  {
    name: 'an intercepted request gets the answer of the program',
    async run({ start, site }) {
      const { driver } = await start();
      let calls = 0;
      const answer = {
        urlToIntercept: `${site.url}/intercepted`,
        status: 200,
        headers: [{ name: 'content-type', value: 'text/html' }],
        body: Buffer.from('<title>from the program</title>').toString('base64'),
      };
      const connection = await connect(driver);
      await driver.onIntercept(connection, answer as never, () => (calls += 1));
      await settle(connection);
      await driver.get(`${site.url}/intercepted`);
      const title = await driver.getTitle();
      await driver.get(site.page('/page'));
      return {
        title,
        next: await driver.getTitle(),
        calls,
        wasVisited: site.visits.some(({ path }) => path === '/intercepted'),
      };
    },
    expected: { title: 'from the program', next: 'page', calls: 1, wasVisited: false },
  },
  {
    name: 'DevTools commands affect pages in this window and in new ones',
    async run({ start, site }) {
      const { driver } = await start();
      await driver.sendDevToolsCommand('Emulation.setTimezoneOverride', { timezoneId: 'Asia/Tokyo' });
      await driver.sendDevToolsCommand('Network.setUserAgentOverride', { userAgent: 'mine' });
      await driver.sendDevToolsCommand('Page.addScriptToEvaluateOnNewDocument', { source: 'window.mine = 1' });
      await driver.sendDevToolsCommand('Emulation.setDeviceMetricsOverride', {
        width: 321,
        height: 654,
        deviceScaleFactor: 2,
        mobile: true,
      });
      const look = () =>
        driver.executeScript(
          'return [new Date(0).getHours(), navigator.userAgent === "mine", window.mine ?? null, innerWidth, devicePixelRatio]',
        );
      await driver.get(site.page('/page', '<meta name="viewport" content="width=device-width">'));
      const here = await look();
      const agent = site.visits.find(({ path }) => path === '/page')?.headers['user-agent'];
      await driver.switchTo().newWindow('tab');
      await driver.get(`${site.url}/page`);
      const there: unknown = await driver.executeScript(
        'return [new Date(0).getHours() === 9, navigator.userAgent === "mine", window.mine ?? null]',
      );
      const version = (await driver.sendAndGetDevToolsCommand('Browser.getVersion', {})) as unknown as object;
      return {
        here,
        there,
        agent,
        version: Object.keys(version),
        wrong: await errorName(driver.sendDevToolsCommand('No.such', {})),
      };
    },
    expected: (value: { here: unknown; agent: string }) =>
      expectTrue(JSON.stringify(value.here) === '[9,true,1,321,2]' && value.agent === 'mine', value),
  },
  {
    name: 'network conditions and permissions are set, and read',
    async run({ start, site }) {
      const { driver } = await start();
      await driver.get(site.page('/page'));
      await driver.setPermission('geolocation', 'granted');
      const permission: unknown = await driver.executeScript(
        'return navigator.permissions.query({ name: "geolocation" }).then(({ state }) => state)',
      );
      await driver.setNetworkConditions({ offline: true, latency: 0, download_throughput: -1, upload_throughput: -1 });
      const conditions: unknown = await driver.getNetworkConditions();
      const offline = await errorName(driver.get(`${site.url}/page`));
      await driver.deleteNetworkConditions();
      await driver.get(`${site.url}/page`);
      return { permission, conditions, offline, title: await driver.getTitle() };
    },
    expected: (value: { permission: string; offline: string; title: string }) =>
      expectTrue(value.permission === 'granted' && value.offline === 'WebDriverError' && value.title === 'page', value),
  },
  {
    name: 'a pinned script runs by its handle',
    async run({ start, site }) {
      const { driver } = await start();
      await driver.get(site.page('/page'));
      const { pinScript, unpinScript } = driver as unknown as Pinning;
      const pinned = await pinScript.call(driver, 'return arguments[0] + 1');
      const value: unknown = await driver.executeScript(pinned as never, 1);
      await unpinScript.call(driver, pinned);
      return { value, gone: await errorName(driver.executeScript(pinned as never, 1)) };
    },
    expected: { value: 2, gone: 'JavascriptError' },
  },
  {
    name: 'logs of the browser and of its performance are read',
    async run({ start, site }) {
      const { driver } = await start((options) => {
        const preferences = new logging.Preferences();
        preferences.setLevel('browser', logging.Level.ALL);
        preferences.setLevel('performance', logging.Level.ALL);
        options.setLoggingPrefs(preferences);
      });
      await driver.get(site.page('/page', '<script>console.warn("careful")</script>'));
      const types = await driver.manage().logs().getAvailableLogTypes();
      const browser = (await driver.manage().logs().get('browser')).map(({ level, message }) => [
        level.name,
        message.includes('careful'),
      ]);
      const performance = await driver.manage().logs().get('performance');
      const requests = performance
        .map(
          ({ message }) =>
            (JSON.parse(message) as { message: { method: string; params: { request?: { url: string } } } }).message,
        )
        .filter(({ method }) => method === 'Network.requestWillBeSent')
        .map(({ params }) => site.relative(params.request?.url ?? ''));
      return { types: types.sort(), browser, requests };
    },
    expected: (value: { requests: string[]; browser: unknown }) =>
      expectTrue(JSON.stringify(value.browser) === '[["WARNING",true]]' && value.requests.includes('/page'), value),
  },
];

interface Pinning {
  readonly pinScript: (script: string) => Promise<object>;
  readonly unpinScript: (script: object) => Promise<void>;
}

function expectTrue(isTrue: boolean, value: unknown): void {
  if (!isTrue) throw new Error(`not expected: ${JSON.stringify(value)}`);
}
