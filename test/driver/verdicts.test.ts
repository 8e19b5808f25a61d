import { expect } from 'chai';
import { firstLine, parseFailure, verdictOfAnswer } from '../../src/driver/verdicts.ts';

type Expected = 'harmless' | 'suspicious' | `dead: ${string}`;

/** Returns a W3C answer as it is sent. */
const answer = (error: string, message: string) => JSON.stringify({ value: { error, message, stacktrace: '#0 0x55' } });

function verdictText(body: string): Expected {
  const { verdict } = verdictOfAnswer(body);
  return verdict.kind === 'dead' ? `dead: ${verdict.cause}` : verdict.kind;
}

/** The rows of the error table with the remote end's own messages. X: measured, S: source, I: issues, G: Grid. */
const ANSWERS: readonly [origin: string, error: string, message: string, expected: Expected][] = [
  [
    'X: browser killed, first command after it',
    'invalid session id',
    'invalid session id: session deleted as the browser has closed the connection\nfrom disconnected: not connected to DevTools\n  (Session info: chrome=156.0)',
    'dead: browser-gone',
  ],
  [
    'X: browser killed, command in flight',
    'invalid session id',
    'invalid session id: session deleted as the browser has closed the connection\nfrom disconnected: Unable to receive message from renderer',
    'dead: browser-gone',
  ],
  ['X: any later command, quit from elsewhere', 'invalid session id', 'invalid session id', 'dead: session-removed'],
  ['I: older Chrome', 'unknown error', 'chrome not reachable\n  (Session info: chrome=80.0)', 'dead: browser-gone'],
  ['I: older Chrome', 'unknown error', 'disconnected: not connected to DevTools', 'dead: browser-gone'],
  [
    'I: older Chrome',
    'unknown error',
    'disconnected: Unable to receive message from renderer\n  (failed to check if window was closed: disconnected: not connected to DevTools)',
    'dead: browser-gone',
  ],
  ['X: tab crashed', 'unknown error', 'tab crashed\n  (Session info: chrome=156.0)', 'dead: tab-crashed'],
  ['X: tab crashed, by its error string', 'tab crashed', '', 'dead: tab-crashed'],
  [
    'S: tab crashed, older chromedriver',
    'unknown error',
    'unknown error: session deleted because of page crash\nfrom tab crashed',
    'dead: tab-crashed',
  ],
  ['G: router', 'invalid session id', 'Unable to find session with ID: 1a2b', 'dead: session-removed'],
  [
    'G: router 4.39+',
    'invalid session id',
    'Unable to find session with ID: 1a2b. Session was removed at 2026-01-01T00:00:00Z (3 seconds ago), reason: session timed out due to inactivity, node: http://10.0.0.1:5555',
    'dead: session-removed',
  ],
  ['G: node', 'invalid session id', 'Cannot find session with id: 1a2b', 'dead: session-removed'],
  ['G: node', 'unknown error', 'Cannot find session: 1a2b', 'dead: session-removed'],
  [
    'G: a stored version',
    'invalid session id',
    'Session ID: 1a2b was closed 3 second(s) ago. Reason: QUIT_COMMAND',
    'dead: session-removed',
  ],
  ['G: node unreachable', 'unknown error', 'java.net.ConnectException: Connection refused', 'suspicious'],
  ['G: node unreachable', 'timeout', 'java.net.http.HttpTimeoutException: request timed out', 'suspicious'],
  [
    'I: Selenium 3 hub',
    '',
    'Session [1a2b] not available and is not among the last 1000 terminated sessions.\nActive sessions are[]',
    'dead: session-removed',
  ],
  ['I: Selenium 3 hub', '', 'Session timed out or not found', 'dead: session-removed'],
  ['I: Selenium 3 hub', '', 'Session [1a2b] was terminated due to TIMEOUT', 'dead: session-removed'],
  ['I: Selenium 3 hub', '', 'Session [1a2b] was terminated due to BROWSER_TIMEOUT', 'dead: session-removed'],
  ['I: Selenium 3 hub', '', 'Session [1a2b] was terminated due to CLIENT_STOPPED_SESSION', 'dead: session-removed'],
  ['I: geckodriver', 'unknown error', 'Failed to decode response from marionette', 'dead: browser-gone'],
  [
    'I: geckodriver',
    'invalid session id',
    'Tried to run command without establishing a connection',
    'dead: browser-gone',
  ],
  ['I: Appium', 'invalid session id', 'A session is either terminated or not started', 'dead: session-removed'],
  [
    'X: window closed',
    'no such window',
    'no such window: target window already closed\nfrom unknown error: web view not found',
    'harmless',
  ],
  ['X: alert', 'unexpected alert open', 'unexpected alert open: {Alert text : boo}', 'harmless'],
  ['X: slow page', 'timeout', 'timeout: Timed out receiving message from renderer: 3.0', 'harmless'],
  ['W3C: slow script', 'script timeout', 'script timeout\n  (Session info: chrome=156.0)', 'harmless'],
  ['W3C: element', 'stale element reference', 'stale element reference: stale element not found', 'harmless'],
  ['W3C: element', 'no such element', 'no such element: Unable to locate element', 'harmless'],
  ['W3C: element', 'element click intercepted', 'element click intercepted: Element is not clickable', 'harmless'],
  ['W3C: script', 'javascript error', 'javascript error: x is not defined', 'harmless'],
  ['W3C: page', 'insecure certificate', 'insecure certificate', 'harmless'],
  ['X: page', 'unknown error', 'unknown error: net::ERR_NAME_NOT_RESOLVED\n  (Session info)', 'harmless'],
  ['W3C: never born', 'session not created', "session not created: DevToolsActivePort file doesn't exist", 'harmless'],
  ['unknown', 'unknown error', 'something nobody has seen before', 'suspicious'],
  ['unknown', 'a new error string', 'of a later standard', 'suspicious'],
  ['unknown', 'unknown error', '', 'suspicious'],
];

/** Bodies that do not come from a WebDriver server, but from a proxy or a load balancer. */
const FOREIGN: readonly [what: string, body: string][] = [
  ['an empty body', ''],
  ['a page of a proxy', '<html><head><title>502 Bad Gateway</title></head></html>'],
  ['JSON null', 'null'],
  ['JSON of another program', '{"message":"no healthy upstream"}'],
  ['a null value', '{"value":null}'],
  ['half a document', '{"value":{"error":"inval'],
];

/** Messages of deaths that a page may contain: its alerts and exceptions do not report the state of its browser. */
const DEADLY_WORDS = [
  'Session timed out or not found',
  'your contract was terminated due to inactivity',
  'tab crashed',
  'from tab crashed',
  'chrome not reachable',
  'the browser has closed the connection',
  'Cannot find session',
  'disconnected: not connected to DevTools',
  'Failed to decode response from marionette',
];

describe('Verdicts on answers', () => {
  for (const [origin, error, message, expected] of ANSWERS) {
    it(`are ${expected} for "${firstLine(message) || error}" (${origin})`, () => {
      expect(verdictText(answer(error, message))).to.equal(expected);
    });
  }

  for (const [what, body] of FOREIGN) {
    it(`are suspicious for ${what}`, () => {
      expect(verdictText(body)).to.equal('suspicious');
      expect(verdictOfAnswer(body).message).not.to.equal('');
    });
  }

  for (const words of DEADLY_WORDS) {
    it(`are not a death for "${words}" in an alert, an exception or a selector of a page`, () => {
      for (const [error, message] of [
        ['unexpected alert open', `unexpected alert open: {Alert text : ${words}}`],
        ['javascript error', `javascript error: ${words}`],
        ['javascript error', words],
        ['no such element', `no such element: Unable to locate element: {"selector":"//*[text()='${words}']"}`],
        ['invalid selector', `invalid selector: ${words}`],
        ['script timeout', words],
      ] as const) {
        expect(verdictText(answer(error, message)), error).to.equal('harmless');
      }
    });
  }

  it('contain the first line of the message, without secrets', () => {
    const body = answer('unknown error', 'chrome not reachable at https://ann:hunter2@grid.test/\n  #0 0x55');
    expect(verdictOfAnswer(body).message).to.equal('chrome not reachable at https://***@grid.test/');
  });

  it('contain the error string if there is no message', () => {
    expect(verdictOfAnswer(answer('invalid session id', '')).message).to.equal('invalid session id');
  });
});

describe('parseFailure', () => {
  it('returns error and message of a W3C answer, and the text of any other body', () => {
    expect(parseFailure(answer('timeout', 'late'))).to.deep.equal({ error: 'timeout', message: 'late' });
    expect(parseFailure('<html>')).to.deep.equal({ error: '', message: '<html>' });
    expect(parseFailure('x'.repeat(10_000)).message).to.have.length(500);
  });
});
