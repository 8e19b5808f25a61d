import { openScriptedWebDriver, type ScriptedWebDriver, type WebDriverScript } from 'webdriver-supervisor/testing';

/** Prevents probes, which a test that counts requests would count too. */
const LONG_MS = 3_600_000;

export interface ScriptedEndpoint extends AsyncDisposable {
  readonly server: ScriptedWebDriver;
  /** Options by which sessions are started at the scripted server. */
  readonly options: { readonly gridUrl: string; readonly heartbeatIntervalMs: number };
}

/** A scripted WebDriver server and the options that lead to it. */
export async function openEndpoint(script: WebDriverScript = {}): Promise<ScriptedEndpoint> {
  const server = await openScriptedWebDriver(script);
  return {
    server,
    options: { gridUrl: server.url, heartbeatIntervalMs: LONG_MS },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** The number of sessions that were started at the server. */
export function startsOf(server: ScriptedWebDriver): number {
  return server.requests.filter(({ method, path }) => method === 'POST' && path === '/session').length;
}
