import { expect } from 'chai';
import { useFakeTimers } from 'sinon';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import { SessionEndedError } from '../../src/driver/death.ts';
import { HttpClient } from '../../src/driver/http-client.ts';
import { CommandTransport } from '../../src/driver/command-transport.ts';
import { rejectionOf } from '../support/rejection.ts';
import { send } from '../support/send.ts';

const REASON = new Error('the session is dead');

describe('CommandTransport: commands of the library itself', () => {
  let server: ScriptedWebDriver;
  let http: HttpClient;
  let path: string;

  beforeEach(async () => {
    server = await openScriptedWebDriver();
    http = new HttpClient(server.url);
    const { json } = await send(`${server.url}/session`, { method: 'POST', body: { capabilities: {} } });
    path = `/session/${json.value.sessionId}`;
  });

  afterEach(async () => {
    http.close();
    await server.close();
  });

  const open = () => {
    const halt = new AbortController();
    const events: string[] = [];
    const transport = new CommandTransport({
      http,
      signal: halt.signal,
      commandTimeoutMs: 120_000,
      beforeCommand: ({ label }) => void events.push(`hook: ${label}`),
      listener: {
        onAlive: () => void events.push('alive'),
        onDeath: ({ cause }) => {
          events.push(`dead: ${cause}`);
          halt.abort(REASON);
        },
        onQuit: () => void events.push('quit'),
        onRefused: () => void events.push('refused'),
        probe: async () => {
          events.push('probe');
          return false;
        },
        freePage: () => void events.push('free'),
        freeBusyPage: async () => void events.push('free if busy'),
      },
    });
    return { halt, events, transport };
  };

  it('resolve with the value, bypass hooks and the command log, and are proofs of life', async () => {
    const { transport, events } = open();
    await transport.ask(path, { method: 'POST', route: '/url', data: { url: 'http://shop.test/' } });
    expect(await transport.ask(path, { method: 'GET', route: '/url' })).to.equal('http://shop.test/');
    expect(events).to.deep.equal(['alive', 'alive']);
    expect(transport.log.lines()).to.deep.equal([]);
  });

  it('reject with the message of a refusal, and report a death that the answer reveals', async () => {
    const { transport, events } = open();
    const refusal = await rejectionOf(transport.ask(path, { method: 'GET', route: '/cookie/none' }));
    expect(refusal.message).to.contain('no such cookie');
    expect(events).to.deep.equal(['alive']);
    server.endSession();
    expect(await rejectionOf(transport.ask(path, { method: 'GET', route: '/url' }))).to.equal(REASON);
    expect(events).to.deep.equal(['alive', 'dead: session-removed']);
  });

  it('are not sent after the halt, and do not count as refused commands', async () => {
    const { transport, events, halt } = open();
    halt.abort(REASON);
    const { length } = server.requests;
    expect(await rejectionOf(transport.ask(path, { method: 'GET', route: '/url' }))).to.equal(REASON);
    expect(server.requests).to.have.length(length);
    expect(events).to.deep.equal([]);
  });

  it('are not sent after the end was requested', async () => {
    const { transport } = open();
    transport.end();
    const refusal = await rejectionOf(transport.ask(path, { method: 'GET', route: '/url' }));
    expect(refusal).to.be.instanceOf(SessionEndedError);
  });

  it('reject without a death if they are not answered in time: the page may be busy', async () => {
    const { transport, events } = open();
    const hold = server.hold('GET /url');
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const refusal = rejectionOf(transport.ask(path, { method: 'GET', route: '/url' }));
      await server.waitForRequest('GET /url');
      await clock.tickAsync(30_000);
      expect((await refusal).message).to.contain('took longer than 30000 ms');
      expect(events).to.deep.equal([]);
    } finally {
      clock.restore();
      hold.release();
    }
  });
});
