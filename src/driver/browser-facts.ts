/** Facts about a running browser that decide how its own requests look and which proxy they use. */
import type { WebDriver } from 'selenium-webdriver';

import { toPlainCapabilities, type BrowserOptions } from './browser-options.ts';
import type { DevTools } from './devtools.ts';
import type { StateChannel } from './state/state-channel.ts';

/** A page with an open dialog does not answer. */
const LANGUAGES_LIMIT_MS = 1_000;
const LANGUAGES = 'navigator.languages.join()';

/** Returns the name that the browser sends to servers (the `User-Agent` header). */
export async function userAgentOf(
  driver: WebDriver,
  known: { readonly devtools: DevTools | undefined; readonly capabilities: Readonly<Record<string, unknown>> },
): Promise<string> {
  const { devtools, capabilities } = known;
  if (devtools === undefined) {
    // Firefox reports it at the start (W3C WebDriver, section 7). A command would count as one of the user's code.
    const reported = capabilities['userAgent'];
    return typeof reported === 'string' ? reported : driver.executeScript<string>('return navigator.userAgent');
  }
  const { userAgent } = (await devtools.call('Browser.getVersion')) as { userAgent: string };
  return userAgent;
}

/** Returns the user's languages, the preferred one first, such as `['de-DE', 'en']`; an empty list if the page does not report them. */
export async function languagesOf(
  driver: WebDriver,
  page: {
    readonly devtools: DevTools | undefined;
    readonly bidi: StateChannel | undefined;
    readonly handle: string | null;
  },
): Promise<readonly string[]> {
  const { devtools, bidi, handle } = page;
  const text =
    devtools !== undefined
      ? await askByDevTools(devtools, handle)
      : bidi !== undefined && handle !== null
        ? await bidi.evaluate(handle, LANGUAGES)
        : await driver.executeScript(`return ${LANGUAGES}`);
  return typeof text === 'string' ? text.split(',').filter((language) => /^[\w-]+$/.test(language)) : [];
}

/** Asks in an isolated world, where scripts of the page can't have changed the answer. */
async function askByDevTools(devtools: DevTools, handle: string | null): Promise<unknown> {
  const page = handle ?? devtools.onlyPage;
  if (page === null || devtools.isDialogOpen(page)) return undefined;
  const limits = { limitMs: LANGUAGES_LIMIT_MS };
  const { frameTree } = (await devtools.callPage(page, 'Page.getFrameTree', {}, limits)) as {
    frameTree: { frame: { id: string } };
  };
  const world = { frameId: frameTree.frame.id };
  const { executionContextId } = (await devtools.callPage(page, 'Page.createIsolatedWorld', world, limits)) as {
    executionContextId: number;
  };
  const question = {
    expression: LANGUAGES,
    contextId: executionContextId,
    returnByValue: true,
    timeout: LANGUAGES_LIMIT_MS,
  };
  const { result } = (await devtools.callPage(page, 'Runtime.evaluate', question, limits)) as {
    result: { value?: unknown };
  };
  return result.value;
}

/**
 * Returns the browser's command-line switches. chromedriver turns the `proxy` of the capabilities into switches (measured), so the list is
 * complete. If the browser does not report it, the list is derived from the options and capabilities.
 */
export async function switchesOf(
  devtools: DevTools | undefined,
  known: { readonly browser: BrowserOptions; readonly capabilities: Readonly<Record<string, unknown>> },
): Promise<readonly string[]> {
  // Chromium answers only if it was started with --enable-automation, which chromedriver adds.
  const answer = devtools?.call('Browser.getBrowserCommandLine').catch(() => undefined);
  const reported = (await answer) as { arguments: string[] } | undefined;
  if (reported !== undefined) return reported.arguments;
  const { arguments: switches = [], capabilities: wanted = {} } = known.browser;
  const options = toPlainCapabilities(wanted)['goog:chromeOptions'] as { args?: string[] } | undefined;
  return [...switches, ...(options?.args ?? []), ...toProxySwitches(known.capabilities['proxy'])];
}

/** Returns the switches that chromedriver makes of a `proxy` capability (W3C WebDriver, section 7.1). */
function toProxySwitches(capability: unknown): string[] {
  const {
    proxyType,
    httpProxy,
    sslProxy,
    socksProxy,
    socksVersion = 5,
    noProxy = [],
    proxyAutoconfigUrl,
  } = (capability ?? {}) as Readonly<Record<string, string | number | readonly string[] | undefined>>;
  switch (proxyType) {
    case 'direct':
      return ['--no-proxy-server'];
    case 'autodetect':
      return ['--proxy-auto-detect'];
    case 'pac':
      return [`--proxy-pac-url=${String(proxyAutoconfigUrl)}`];
    case 'manual': {
      const servers = [
        ...(httpProxy === undefined ? [] : [`http=${String(httpProxy)}`]),
        ...(sslProxy === undefined ? [] : [`https=${String(sslProxy)}`]),
        ...(socksProxy === undefined ? [] : [`socks=socks${String(socksVersion)}://${String(socksProxy)}`]),
      ];
      return [`--proxy-server=${servers.join(';')}`, `--proxy-bypass-list=${String(noProxy)}`];
    }
    default:
      return [];
  }
}
