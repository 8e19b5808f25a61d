import { expect } from 'chai';
import { openScriptedWebDriver, type ScriptedAnswer } from 'webdriver-supervisor/testing';
import { HttpClient } from '../../src/driver/http-client.ts';
import { explainLostBrowser } from '../../src/driver/lost-browser.ts';
import { openDevToolsServer } from './support/devtools-server.ts';

interface Situation {
  readonly what: string;
  /** The driver's answer about its sessions. */
  readonly sessions: ScriptedAnswer;
  readonly isBrowserReachable: boolean;
  readonly oldestCommandMs?: number;
  readonly hasBidi?: boolean;
  readonly isWindowClosing?: boolean;
  readonly expected: string;
  /** True if a request to the driver is expected. Default true. */
  readonly isDriverAsked?: boolean;
}

const LISTED: ScriptedAnswer = { value: [{ id: 'mine', capabilities: {} }] };

const TABLE: readonly Situation[] = [
  {
    what: 'a killed browser with a session that stays listed',
    sessions: LISTED,
    isBrowserReachable: false,
    expected: 'browser-gone',
  },
  {
    what: 'a session that another client quit',
    sessions: { value: [] },
    isBrowserReachable: false,
    expected: 'session-removed',
  },
  {
    what: 'a killed browser in a session with BiDi, which the driver has removed',
    sessions: { value: [] },
    isBrowserReachable: false,
    hasBidi: true,
    expected: 'browser-gone',
    isDriverAsked: false,
  },
  { what: 'a socket that only broke', sessions: LISTED, isBrowserReachable: true, expected: 'nothing' },
  {
    what: 'a driver that does not list sessions',
    sessions: { error: 'unknown command' },
    isBrowserReachable: false,
    expected: 'browser-gone',
  },
  {
    what: 'a driver that breaks the connection',
    sessions: { fault: 'reset' },
    isBrowserReachable: false,
    expected: 'browser-gone',
  },
  {
    what: 'a killed browser while the driver works on its single current command',
    sessions: { fault: 'never' },
    isBrowserReachable: false,
    oldestCommandMs: 1_000,
    expected: 'browser-gone',
    isDriverAsked: false,
  },
  {
    what: 'a quit while a later command waits',
    sessions: { value: [] },
    isBrowserReachable: false,
    oldestCommandMs: 10,
    expected: 'session-removed',
  },
  {
    what: 'the slow closing of the last window',
    sessions: { value: [] },
    isBrowserReachable: false,
    oldestCommandMs: 400,
    isWindowClosing: true,
    expected: 'session-removed',
  },
];

describe('explainLostBrowser', () => {
  for (const situation of TABLE) {
    const { what, sessions, isBrowserReachable, oldestCommandMs, expected } = situation;
    const { hasBidi = false, isWindowClosing = false, isDriverAsked = true } = situation;
    it(`finds ${expected} for ${what}`, async () => {
      await using driver = await openScriptedWebDriver({ answers: { 'GET /sessions': sessions } });
      const browser = await openDevToolsServer();
      if (!isBrowserReachable) await browser[Symbol.asyncDispose]();
      const http = new HttpClient(driver.url);
      const found = await explainLostBrowser({
        http,
        sessionId: 'mine',
        devtoolsUrl: browser.url,
        hasBidi,
        oldestCommandMs: oldestCommandMs ?? null,
        isWindowClosing,
        commandsSettled: Promise.resolve(),
      });
      http.close();
      if (isBrowserReachable) await browser[Symbol.asyncDispose]();
      expect(found?.cause ?? 'nothing').to.equal(expected);
      expect(driver.requests.length > 0).to.equal(isDriverAsked);
    });
  }
});
