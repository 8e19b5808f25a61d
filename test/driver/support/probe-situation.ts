import { openScriptedWebDriver, type ScriptedAnswer } from 'webdriver-supervisor/testing';

import { DevTools } from '../../../src/driver/devtools.ts';
import { HttpClient } from '../../../src/driver/http-client.ts';
import type { ProbeResult } from '../../../src/driver/probe.ts';
import { eventually } from '../../support/eventually.ts';
import {
  openDevToolsServer,
  type ConnectionReaction,
  type DevToolsReply,
  type DevToolsServer,
} from './devtools-server.ts';

export const LIMIT_MS = 100;

export interface Situation {
  readonly what: string;
  readonly isOwnDriver: boolean;
  /** The driver's answers by matcher. */
  readonly driver?: Readonly<Record<string, ScriptedAnswer>>;
  /** The browser's answer to `Browser.getVersion`; undefined if there is no DevTools. */
  readonly browser?: DevToolsReply;
  /** The browser's reaction to further connections. Default `silent`, as for a frozen browser. */
  readonly connections?: ConnectionReaction;
  readonly inFlight?: number;
  readonly browserName?: string;
  readonly expected: string;
}

export const HEALTHY: DevToolsReply = { result: { product: 'Chrome/156' } };

export const describeResult = (result: ProbeResult) =>
  result.state === 'dead' ? `${result.cause}: ${result.message}` : result.state;

/** Opens a driver and optionally a browser's DevTools, with the targets of a probe. */
export async function openSituation({
  isOwnDriver,
  driver = {},
  browser,
  connections = 'silent',
  inFlight = 0,
  browserName = 'chrome',
}: Omit<Situation, 'what' | 'expected'>) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await openScriptedWebDriver({ answers: driver }));
  const http = stack.adopt(new HttpClient(server.url), (client) => client.close());
  const { body } = await http.send({
    method: 'POST',
    path: '/session',
    body: '{}',
    signal: new AbortController().signal,
  });
  const { value } = JSON.parse(body) as { value: { sessionId: string } };
  let devtools: DevTools | undefined;
  let browserServer: DevToolsServer | undefined;
  if (browser !== undefined) {
    browserServer = stack.use(await openDevToolsServer());
    browserServer.answer('Browser.getVersion', browser);
    const ignore = () => undefined;
    const { signal } = new AbortController();
    devtools = await DevTools.connect({ url: browserServer.url, signal, onClosed: ignore, onTabCrashed: ignore });
    stack.adopt(devtools, (connection) => connection.close());
    browserServer.reactToConnections(connections);
  }
  const targets = {
    http,
    sessionId: value.sessionId,
    socket: devtools,
    isOwnDriver,
    pids: [] as number[],
    inFlight: () => inFlight,
    browserName,
    limitMs: LIMIT_MS,
    isUrgent: false,
  };
  const method = 'Browser.getVersion';
  const calls = () => browserServer?.calls.filter((call) => call.method === method) ?? [];
  return {
    server,
    targets,
    browserCalls: () => calls().length,
    waitForBrowserCalls: (count: number) => eventually(async () => calls().length >= count, `${count} questions`),
    answerAsBrowser: (reply: DevToolsReply) => browserServer!.answer(method, reply),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
