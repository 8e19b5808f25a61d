import { expect } from 'chai';
import { useFakeTimers } from 'sinon';
import { openScriptedWebDriver, type ScriptedReply } from 'webdriver-supervisor/testing';

import { endRemoteSession, RemoteSessionEnd, RemoteSessionLeftError } from '../../src/driver/remote-session.ts';
import { startChildScript } from '../support/child-script.ts';
import { eventually } from '../support/eventually.ts';
import { rejectionOf } from '../support/rejection.ts';

const ID = 'b9d43b2c';
/** Recorded from Grid 4.47. */
const CONNECTION_ERROR = `Connection error (DELETE http://localhost:12191/session/${ID})`;
const UNKNOWN: ScriptedReply = { error: 'invalid session id', message: `Cannot find session with id: ${ID}` };
const DRIVER_GONE: ScriptedReply = { error: 'unknown error', message: CONNECTION_ERROR };
const ENDED_BY_NODE: ScriptedReply = { status: 200, body: '' };

/** Opens an endpoint. With `lists`, it is a Grid that lists the session at a node, which is the same server. */
async function openEndpoint(answers: Readonly<Record<string, ScriptedReply>>, { lists }: { lists?: string[] } = {}) {
  const server = await openScriptedWebDriver({ answers });
  if (lists !== undefined) {
    const slots = lists.map((sessionId) => ({ session: { sessionId } }));
    server.answer('GET /status', { value: { ready: true, nodes: [{ externalUri: server.url, slots }] } });
  }
  const sent = () => server.requests.map(({ method, path }) => `${method} ${path}`);
  const session = { url: server.url, sessionId: ID };
  return { server, sent, session, [Symbol.asyncDispose]: () => server.close() };
}

const DELETE = `DELETE /session/${ID}`;
const NODE_DELETE = `DELETE /se/grid/node/session/${ID}`;

describe('endRemoteSession', () => {
  it('sends one DELETE if the endpoint ends the session', async () => {
    await using endpoint = await openEndpoint({ [DELETE]: { value: null } });
    await endRemoteSession(endpoint.session);
    expect(endpoint.sent()).to.deep.equal([DELETE]);
  });

  it('succeeds if a driver does not know the session', async () => {
    await using endpoint = await openEndpoint({ [DELETE]: UNKNOWN });
    await endRemoteSession(endpoint.session);
    expect(endpoint.sent()).to.deep.equal([DELETE, 'GET /status']);
  });

  it('succeeds if a Grid neither knows nor lists the session', async () => {
    await using endpoint = await openEndpoint({ [DELETE]: UNKNOWN }, { lists: ['other'] });
    await endRemoteSession(endpoint.session);
    expect(endpoint.sent()).to.deep.equal([DELETE, 'GET /status']);
  });

  it('asks the node of a Grid that was restarted and does not know the session', async () => {
    await using endpoint = await openEndpoint({ [DELETE]: UNKNOWN, [NODE_DELETE]: ENDED_BY_NODE }, { lists: [ID] });
    await endRemoteSession(endpoint.session);
    expect(endpoint.sent()).to.deep.equal([DELETE, 'GET /status', NODE_DELETE]);
  });

  it('asks the node if the driver is gone', async () => {
    await using endpoint = await openEndpoint({ [DELETE]: DRIVER_GONE, [NODE_DELETE]: ENDED_BY_NODE }, { lists: [ID] });
    const end = new RemoteSessionEnd(endpoint.session);
    await end.attempt();
    expect(end.isEnded).to.equal(true);
    expect(endpoint.sent()).to.deep.equal([DELETE, 'GET /status', NODE_DELETE]);
  });

  it('rejects if the node refuses, and then sends no further DELETE, which would keep the session from its idle limit', async () => {
    const refusal: ScriptedReply = { status: 401, body: '' };
    await using endpoint = await openEndpoint({ [DELETE]: DRIVER_GONE, [NODE_DELETE]: refusal }, { lists: [ID] });
    const end = new RemoteSessionEnd(endpoint.session);
    const error = await rejectionOf(end.attempt());
    expect(error).to.be.instanceOf(RemoteSessionLeftError);
    expect(error.message).to.contain(CONNECTION_ERROR).and.contain(ID).and.contain('401');
    await rejectionOf(end.attempt());
    await end.giveUp();
    expect(endpoint.sent().filter((request) => request === DELETE)).to.have.length(1);
  });

  it('does not believe a Grid that was away and does not list the session yet, because its nodes register again', async () => {
    await using endpoint = await openEndpoint({ [DELETE]: UNKNOWN }, { lists: [] });
    endpoint.server.answer(DELETE, { fault: 'reset' }, { times: 1 });
    const end = new RemoteSessionEnd(endpoint.session);
    await rejectionOf(end.attempt());
    expect((await rejectionOf(end.attempt())).message).to.contain('register again');
    await end.giveUp();
    expect(end.isEnded).to.equal(false);
  });

  it('rejects without the credentials if the endpoint refuses connections', async () => {
    const endpoint = await openEndpoint({});
    await endpoint.server.close();
    const url = endpoint.server.url.replace('//', '//me:geheim@');
    const error = await rejectionOf(endRemoteSession({ url, sessionId: ID }));
    expect(error.message).to.contain('ECONNREFUSED').and.not.contain('geheim');
  });
});

describe('RemoteSessionEnd', () => {
  it('repeats its attempts with a growing pause until the endpoint has ended the session', async () => {
    await using endpoint = await openEndpoint({});
    endpoint.server.answer(DELETE, { status: 502, body: '<html>Bad Gateway</html>' }, { times: 3 });
    endpoint.server.answer('GET /status', { status: 502, body: '<html>Bad Gateway</html>' }, { times: 3 });
    const end = new RemoteSessionEnd(endpoint.session);
    await rejectionOf(end.attempt());
    const pauses: number[] = [];
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
    try {
      const repeating = end.repeat();
      while (!end.isEnded) {
        await eventually(async () => clock.countTimers() > 0, 'the pause has begun');
        const before = clock.now;
        await clock.nextAsync();
        pauses.push(clock.now - before);
        await eventually(async () => clock.countTimers() > 0 || end.isEnded, 'the attempt has ended');
      }
      await repeating;
    } finally {
      clock.restore();
    }
    expect(pauses).to.deep.equal([1_000, 2_000, 4_000]);
  });
});

describe('The watchdog of remote sessions (invariant 6)', () => {
  it('ends the session at its endpoint if the program is killed by kill -9', async () => {
    await using server = await openScriptedWebDriver();
    await using program = startChildScript('remote-session.ts', server.url);
    const id = await program.nextLine();
    await program.kill();
    expect((await server.waitForRequest('DELETE /session/:id')).path).to.equal(`/session/${id}`);
  });

  it('ends the sessions that are left, and only these, after many others have ended', async () => {
    await using server = await openScriptedWebDriver();
    await using program = startChildScript('many-remote-sessions.ts', server.url);
    await program.nextLine();
    await program.kill();
    await Promise.all(['left-1', 'left-2'].map((id) => server.waitForRequest(`DELETE /session/${id}`)));
    const ended = server.requests.filter(({ method }) => method === 'DELETE').map(({ path }) => path);
    expect(new Set(ended)).to.deep.equal(new Set(['/session/left-1', '/session/left-2']));
  });
});
