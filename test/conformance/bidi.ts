/** WebDriver BiDi by selenium's own modules. */
import { createRequire } from 'node:module';
import { By, type WebDriver } from 'selenium-webdriver';
import { eventually } from '../support/eventually.ts';
import { errorName, type SessionBody } from './compare.ts';
import type { Configure, StartedSession } from './sessions.ts';
import type { Site } from './site.ts';

/** An object of selenium's BiDi modules, most of which have no types. */
interface Inspector {
  readonly [method: string]: (...values: unknown[]) => Promise<unknown>;
}
type Open = (...values: unknown[]) => Promise<Inspector>;

const load = createRequire(import.meta.url);
const openLogInspector = load('selenium-webdriver/bidi/logInspector.js') as Open;
const openBrowsingContext = load('selenium-webdriver/bidi/browsingContext.js') as Open;
const openContextInspector = load('selenium-webdriver/bidi/browsingContextInspector.js') as Open;
const openStorage = load('selenium-webdriver/bidi/storage.js') as Open;
const openScriptManager = load('selenium-webdriver/bidi/scriptManager.js') as Open;
const { Network: openNetwork } = load('selenium-webdriver/bidi/network.js') as { Network: Open };
const { AddInterceptParameters } = load('selenium-webdriver/bidi/addInterceptParameters.js') as {
  AddInterceptParameters: new (phases: string) => { urlStringPattern(url: string): object };
};
const { ProvideResponseParameters } = load('selenium-webdriver/bidi/provideResponseParameters.js') as {
  ProvideResponseParameters: new (request: string) => { statusCode(status: number): { body(value: object): object } };
};
const { BytesValue } = load('selenium-webdriver/bidi/networkTypes.js') as {
  BytesValue: new (type: string, value: string) => object;
};

const withBidi: Configure = (options) => void options.enableBidi();

function bidi(
  name: string,
  run: (session: StartedSession['driver'], site: Site) => Promise<unknown>,
  expected: unknown,
): SessionBody {
  return {
    name,
    async run({ start, site }) {
      const { driver } = await start(withBidi);
      return run(driver, site);
    },
    expected,
  };
}

/** The parts of the driver that its types omit. */
interface WithBidi {
  getBidi(): Promise<{
    send(command: object): Promise<{ result?: Record<string, unknown>; error?: string }>;
    subscribe(event: string): Promise<void>;
    socket: { on(event: 'message', listener: (data: Buffer) => void): void };
  }>;
  script(): Inspector;
  network(): Inspector;
}

function withTypes(driver: WebDriver): WithBidi {
  return driver as unknown as WithBidi;
}

/** Navigates to the URL by BiDi, because the driver sends no event while a command of the classic protocol waits. */
async function navigate(driver: WebDriver, url: string): Promise<void> {
  const context = await openBrowsingContext(driver, { browsingContextId: await driver.getWindowHandle() });
  await context['navigate']!(url, 'complete');
}

export const bidiBodies: readonly SessionBody[] = [
  bidi(
    'the raw connection answers commands and receives events',
    async (driver, site) => {
      const connection = await withTypes(driver).getBidi();
      const loaded: string[] = [];
      connection.socket.on('message', (data) => {
        const { method, params } = JSON.parse(data.toString()) as { method?: string; params?: { url: string } };
        if (method === 'browsingContext.load') loaded.push(site.relative(params?.url ?? ''));
      });
      await connection.subscribe('browsingContext.load');
      const status = await connection.send({ method: 'session.status', params: {} });
      await driver.get(site.page('/page'));
      await eventually(async () => loaded.length > 0, 'an event');
      const wrong = await connection.send({ method: 'no.such', params: {} }).then(
        ({ error }) => error,
        (thrown: Error) => thrown.message,
      );
      return { loaded, status: Object.keys(status.result ?? {}).sort(), wrong: String(wrong).slice(0, 15) };
    },
    { loaded: ['/page'], status: ['build', 'message', 'os', 'ready'], wrong: 'unknown command' },
  ),
  bidi(
    'the log inspector receives console messages and exceptions',
    async (driver, site) => {
      const inspector = await openLogInspector(driver);
      const heard: string[] = [];
      await inspector['onConsoleEntry']!(
        (entry: { text: string; level: string }) => void heard.push(`${entry.level} ${entry.text}`),
      );
      await inspector['onJavascriptException']!((entry: { text: string }) => void heard.push(`thrown ${entry.text}`));
      await driver.get(
        site.page('/page', '<script>console.log("one"); console.error("two"); throw new Error("three")</script>'),
      );
      await eventually(async () => heard.length === 3, 'three entries');
      await inspector['close']!();
      return heard.sort();
    },
    ['error two', 'info one', 'thrown Error: three'],
  ),
  bidi(
    'the network module receives requests and responses',
    async (driver, site) => {
      const network = await openNetwork(driver);
      // Selenium calls every listener with the events of all kinds.
      const heard = new Set<string>();
      const hear = (event: { request: { url: string }; response?: { url: string; status: number } }) => {
        if (event.response === undefined) heard.add(`sent ${site.relative(event.request.url)}`);
        else heard.add(`completed ${site.relative(event.response.url)} ${event.response.status}`);
      };
      await network['beforeRequestSent']!(hear);
      await network['responseCompleted']!(hear);
      site.answer('/missing.png', (_request, response) => void response.writeHead(404).end());
      await driver.get(site.page('/page', '<img src="/missing.png">'));
      const own = () => [...heard].filter((line) => !line.includes('data:'));
      await eventually(async () => own().length === 4, 'four events');
      return own().sort();
    },
    ['completed /missing.png 404', 'completed /page 200', 'sent /missing.png', 'sent /page'],
  ),
  bidi(
    'an intercepted request gets the answer of the program',
    async (driver, site) => {
      const network = await openNetwork(driver);
      const parameters = new AddInterceptParameters('beforeRequestSent');
      await network['addIntercept']!(parameters.urlStringPattern(`${site.url}/intercepted`));
      await network['beforeRequestSent']!(async (event: { request: { request: string; url: string } }) => {
        if (!event.request.url.endsWith('/intercepted')) return;
        const body = new BytesValue('string', '<title>from the program</title>');
        await network['provideResponse']!(
          new ProvideResponseParameters(event.request.request).statusCode(200).body(body),
        );
      });
      await navigate(driver, `${site.url}/intercepted`);
      const title = await driver.getTitle();
      await navigate(driver, site.page('/page'));
      return {
        title,
        next: await driver.getTitle(),
        wasVisited: site.visits.some(({ path }) => path === '/intercepted'),
      };
    },
    { title: 'from the program', next: 'page', wasVisited: false },
  ),
  bidi(
    'an authentication handler opens a protected page',
    async (driver, site) => {
      const url = site.answer('/protected', (request, response) => {
        const isKnown = request.headers.authorization !== undefined;
        response.writeHead(isKnown ? 200 : 401, { 'content-type': 'text/html', 'www-authenticate': 'Basic realm="x"' });
        response.end(`<title>${isKnown ? 'welcome' : 'no'}</title>`);
      });
      await withTypes(driver).network()['addAuthenticationHandler']!('ann', 'secret', site.url);
      await navigate(driver, url);
      return driver.getTitle();
    },
    'welcome',
  ),
  bidi(
    'scripts are evaluated, preloaded, and receive changes',
    async (driver, site) => {
      const manager = await openScriptManager([], driver);
      const script = withTypes(driver).script();
      const heard: unknown[] = [];
      await script['addDomMutationHandler']!((event: { attribute_name: string; current_value: string }) => {
        heard.push([event.attribute_name, event.current_value]);
      });
      await manager['addPreloadScript']!('() => { window.preloaded = 42; }');
      await driver.get(site.page('/page', '<p onclick="this.className = &quot;new&quot;">x</p>'));
      const handle = await driver.getWindowHandle();
      const result = (await manager['evaluateFunctionInBrowsingContext']!(
        handle,
        'Promise.resolve(preloaded)',
        true,
      )) as {
        resultType: string;
        result: { value: unknown };
      };
      await driver.findElement(By.css('p')).click();
      await eventually(async () => heard.length > 0, 'a mutation');
      const own: unknown = await driver.executeScript('return window.preloaded');
      return { type: result.resultType, value: result.result.value, own, heard: heard[0] };
    },
    { type: 'success', value: 42, own: 42, heard: ['class', 'new'] },
  ),
  bidi(
    'a browsing context is created, navigated, captured and closed, beside the commands',
    async (driver, site) => {
      await driver.get(site.page('/first'));
      const context = await openBrowsingContext(driver, { type: 'tab' });
      await context['navigate']!(site.page('/second'), 'complete');
      const picture = (await context['captureScreenshot']!()) as string;
      const handles = await driver.getAllWindowHandles();
      const title = await driver.getTitle();
      await driver.switchTo().window(handles[1]!);
      const second = await driver.getTitle();
      await context['close']!();
      const name = await errorName(driver.getTitle());
      await driver.switchTo().window(handles[0]!);
      return {
        title,
        second,
        name,
        isPng: Buffer.from(picture, 'base64').subarray(1, 4).toString(),
        count: handles.length,
      };
    },
    { title: 'first', second: 'second', name: 'NoSuchWindowError', isPng: 'PNG', count: 2 },
  ),
  bidi(
    'the context inspector receives windows and prompts that pages open',
    async (driver, site) => {
      const inspector = await openContextInspector(driver);
      // Selenium calls every listener with the events of all kinds.
      const heard = new Set<string>();
      const hear = (event: { url?: string; type?: string; children?: unknown }) => {
        if (event.type === 'alert') heard.add('prompt');
        else if (event.url !== undefined) heard.add(`created ${site.relative(event.url)}`);
      };
      await inspector['onBrowsingContextCreated']!(hear);
      await inspector['onUserPromptOpened']!(hear);
      await driver.get(site.page('/page'));
      heard.clear();
      await driver.executeScript('window.open("about:blank")');
      await eventually(async () => heard.size === 1, 'a window');
      await driver.executeScript('setTimeout(() => alert("boo"), 0)');
      await eventually(async () => heard.has('prompt'), 'a prompt');
      return [...heard];
    },
    ['created about:blank', 'prompt'],
  ),
  bidi(
    'cookies are read by the storage module',
    async (driver, site) => {
      await driver.get(site.page('/page'));
      await driver.manage().addCookie({ name: 'a', value: '1' });
      const { cookies } = (await (
        await openStorage(driver)
      )['getCookies']!()) as { cookies: { name: string; value: { value: string } }[] };
      return cookies.map(({ name, value }) => [name, value.value]);
    },
    [['a', '1']],
  ),
  bidi(
    'windows that pages open load with BiDi too, and the last one is closed',
    async (driver, site) => {
      await driver.get(site.page('/page'));
      await driver.executeScript('window.open(arguments[0])', site.page('/child'));
      await site.visit('/child');
      const handles = await eventually(async () => {
        const all = await driver.getAllWindowHandles();
        return all.length === 2 && all;
      }, 'two windows');
      const left: unknown[] = [];
      for (const handle of handles) {
        await driver.switchTo().window(handle);
        left.push(await errorName(driver.close()));
      }
      return [left.length, await errorName(driver.getTitle()), await errorName(driver.quit())];
    },
    [2, 'NoSuchSessionError', 'no error: undefined'],
  ),
];
