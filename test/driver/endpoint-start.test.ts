import { expect } from 'chai';

import { SessionStartError } from '../../src/driver/death.ts';
import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { openScriptedWebDriver, type ScriptedReply } from '../../src/testing.ts';
import { rejectionOf } from '../support/rejection.ts';
import { openSession } from './support/sessions.ts';

const html = (title: string, status = 200) => ({ status, body: `<!DOCTYPE html><title>${title}</title><p>Hello</p>` });
const everything = (reply: ScriptedReply) => ({ 'POST /session': reply, 'GET /status': reply });

async function failureOf(gridUrl: string): Promise<string> {
  try {
    await SessionSupervisor.start({ gridUrl });
  } catch (error) {
    expect(error).to.be.instanceOf(SessionStartError);
    return (error as Error).message;
  }
  throw new Error('the session was started');
}

/** An answer of the address, and the parts of the message that follows from it. */
const TABLE: readonly [what: string, reply: ScriptedReply, parts: RegExp[]][] = [
  ['a web site', html('Books &amp; more'), [/no WebDriver endpoint/, /“Books/, /Correct GRID_URL/]],
  ['the login page of a proxy', html('Please sign in', 403), [/“Please sign in”/, /HTTP 403/, /sign in at the proxy/]],
  ['the page of a Grid', html('Selenium Grid'), [/without \/ui/]],
  ['a wrong path', { status: 404, body: 'nothing here' }, [/at this path \(HTTP 404\)/, /--sub-path/]],
  [
    'another service with JSON',
    { status: 200, body: '{"service":"shop"}', headers: { 'content-type': 'application/json' } },
    [/no WebDriver endpoint/, /Correct GRID_URL/],
  ],
];

describe('A start at an address that is no WebDriver endpoint', () => {
  for (const [what, reply, parts] of TABLE) {
    it(`names the problem: ${what}`, async () => {
      await using server = await openScriptedWebDriver({ answers: everything(reply) });
      const message = await failureOf(server.url);
      for (const part of parts) expect(message).to.match(part);
    });
  }

  it('asks for credentials, and never shows those of GRID_URL', async () => {
    await using server = await openScriptedWebDriver({ answers: everything({ status: 401, body: '' }) });
    expect(await failureOf(server.url)).to.match(/asks for a user and a password.*http:\/\/user:password@127/);
    const { host } = new URL(server.url);
    const refused = await failureOf(`http://ann:hunter2@${host}/`);
    expect(refused).to.match(/does not accept the user and the password of GRID_URL/);
    expect(refused).not.to.contain('hunter2');
  });

  it('names the scheme if the server speaks no TLS', async () => {
    await using server = await openScriptedWebDriver();
    expect(await failureOf(server.url.replace('http:', 'https:'))).to.match(/does not speak TLS.*Write http:\/\//);
  });
});

describe('A start at an endpoint with a passing failure', () => {
  const LOST_NODE = 'Connection error (POST http://10.0.0.7:5555/se/grid/node/session)';
  const FAILURES: readonly [string, ScriptedReply][] = [
    ['a node that has just gone', { error: 'session not created', message: LOST_NODE }],
    ['a proxy whose server restarts', html('502 Bad Gateway', 502)],
    ['a hub that resets the connection', { fault: 'reset' }],
  ];

  for (const [what, reply] of FAILURES) {
    it(`is repeated: ${what}`, async () => {
      await using server = await openScriptedWebDriver();
      server.answer('POST /session', reply, { times: 1 });
      await using supervisor = await SessionSupervisor.start({ gridUrl: server.url });
      expect(supervisor.state).to.equal('alive');
      expect(server.requests.filter(({ method, path }) => method === 'POST' && path === '/session')).to.have.length(2);
    });
  }

  for (const [what, reply] of FAILURES) {
    it(`fails with an error that says that the endpoint is away: ${what}`, async () => {
      await using server = await openScriptedWebDriver({ answers: { 'POST /session': reply } });
      const error = await rejectionOf(openSession({ kind: 'endpoint', url: server.url }));
      expect(error).to.include({ code: 'session-start-failed', isEndpointAway: true });
    });
  }

  for (const [capabilities, asked] of [
    [{ 'se:downloadsEnabled': true }, 'chrome with --enable-managed-downloads'],
    [{ browserVersion: '156' }, 'chrome 156'],
  ] as const) {
    it(`names what no node offers: ${asked}`, async () => {
      const stereotype = { browserName: 'chrome', platformName: 'linux' };
      await using server = await openScriptedWebDriver({
        answers: {
          'POST /session': { error: 'session not created', message: 'New session request timed out' },
          'GET /status': { value: { ready: true, nodes: [{ slots: [{ session: null, stereotype }] }] } },
        },
      });
      const { message } = await rejectionOf(SessionSupervisor.start({ gridUrl: server.url, capabilities }));
      expect(message).to.contain(`offers ${asked}. Its 1 node offers chrome on linux. `);
    });
  }

  it('is not repeated if the browser can not be started there', async () => {
    await using server = await openScriptedWebDriver({
      answers: {
        'POST /session': { error: 'session not created', message: 'unknown error: cannot find Chrome binary' },
      },
    });
    expect(await failureOf(server.url)).to.contain('no browser');
    expect(server.requests.filter(({ method }) => method === 'POST')).to.have.length(1);
  });
});
