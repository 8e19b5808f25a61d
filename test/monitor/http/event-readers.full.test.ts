import { expect } from 'chai';
import { EventSource } from 'eventsource';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';

import { silentLog } from '../../../src/core/log.ts';
import { EventFeed } from '../../../src/monitor/event-feed.ts';
import { openServer } from '../../../src/monitor/http/server.ts';
import { toRunView } from '../../../src/monitor/http/views.ts';
import { OwnerLabels } from '../../../src/monitor/owner-labels.ts';
import { RegistryLink } from '../../../src/monitor/registry-link.ts';
import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { eventually } from '../../support/eventually.ts';
import { numbers } from '../../support/opened-run.ts';
import { describeOnSqlite } from '../../support/registries.ts';
import { EventReader } from '../support/event-reader.ts';

describeOnSqlite('Monitor: the readers of events', (registries) => {
  let url: string;
  let registry: Registry;
  let link: RegistryLink;
  let feed: EventFeed;
  let server: Awaited<ReturnType<typeof openServer>>;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
    link = await RegistryLink.open(url, silentLog);
    feed = new EventFeed(link, silentLog);
    server = await openServer({
      host: '127.0.0.1',
      port: 0,
      token: undefined,
      context: {
        link,
        feed,
        limits: { warningMs: 1, timeoutMs: 2, maxLongRunning: 3, maxSessions: 4 },
        ownerLabels: new OwnerLabels({ isEnabled: true }),
        log: silentLog,
        closing: new AbortController().signal,
        facts: () => ({
          isClosing: false,
          isLeader: false,
          leader: null,
          isSweeperEnabled: false,
          lastSweepAt: null,
          isCleanupEnabled: false,
        }),
        probe: async () => undefined,
        look: async () => ({ processing: 0, longRunning: [], stuck: [] }),
        timeOut: async () => ({ runIds: [], sessions: [] }),
        toRun: (run) => toRunView(run, (command) => command),
        endSession: async () => 'missing',
        reportWrongTokens: () => undefined,
      },
    });
  });

  after(async () => {
    await server.close();
    await link.close();
    await registry.close();
  });

  const read = () => EventReader.open(`${server.url}/events`);
  const forgotten = () => eventually(async () => feed.readers === 0, 'all readers are forgotten');

  it('get new events for a Last-Event-ID beyond the newest one while others read and no run makes progress', async () => {
    await using other = await EventReader.open(`${server.url}/events`);
    await other.until(({ progress }) => progress.length > 0);
    await using reader = await EventReader.open(`${server.url}/events`, { lastEventId: '9007199254740991' });
    await reader.until(({ progress }) => progress.length > 0);
    await registry.events.append({ type: 'session_warning', message: 'new' });
    const events = await reader.until(({ events: some }) => some.length > 0 && some);
    expect(events.map(({ data }) => data.message as string)).to.deep.equal(['new']);
  });

  it('are limited to fifty for one client, even if all come at once; one that leaves admits another', async () => {
    const all = await Promise.all(numbers(60).map(read));
    const refused = all.filter(({ status }) => status !== 200);
    const readers = all.filter(({ status }) => status === 200);
    expect(readers).to.have.length(50);
    for (const { status, headers, refusal } of refused) {
      expect(status).to.equal(429);
      expect(headers.get('retry-after')).to.equal('1');
      expect(JSON.parse(refusal).error).to.include({ code: 'too-many-readers' });
    }
    await registry.events.append({ type: 'session_warning', message: 'for all' });
    for (const reader of readers) await reader.until(({ events }) => events[0]?.data.message === 'for all');
    expect(await (await fetch(`${server.url}/livez`)).json()).to.include({ status: 'ok' });
    await readers[0]?.close();
    const next = await eventually(async () => {
      const reader = await read();
      return reader.status === 200 && reader;
    }, 'room for one more reader');
    await Promise.all([next, ...readers].map((reader) => reader.close()));
    await forgotten();
  });

  it('are limited to two hundred for all clients', async () => {
    const { hostname, port } = new URL(server.url);
    const sockets: Socket[] = [];
    const openFrom = async (localAddress: string): Promise<string> => {
      const socket = createConnection({ host: hostname, port: Number(port), localAddress });
      sockets.push(socket);
      socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
      const [head] = (await once(socket, 'data')) as [Buffer];
      return head.toString('latin1').slice('HTTP/1.1 '.length).slice(0, 3);
    };
    const clients = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'];
    const statuses = await Promise.all(clients.flatMap((client) => numbers(50).map(() => openFrom(client))));
    expect(new Set(statuses)).to.deep.equal(new Set(['200']));
    expect(await openFrom('127.0.0.6')).to.equal('503');
    expect((await fetch(`${server.url}/livez`)).status).to.equal(200);
    for (const socket of sockets) socket.destroy();
    await forgotten();
  });

  it('are forgotten when they disconnect, even slow ones, and slow ones do not delay the others', async () => {
    const { hostname, port } = new URL(server.url);
    const slow = createConnection({ host: hostname, port: Number(port) });
    slow.pause();
    slow.write(`GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await eventually(async () => feed.readers === 1, 'the slow reader is there');
    await using quick = await read();
    // More than the buffers of a connection hold without a reader.
    const message = 'x'.repeat(400_000);
    for (const number of numbers(30))
      await registry.events.append({ type: 'session_warning', owner: `${number}`, message });
    const events = await quick.until(({ events: some }) => some.length >= 30 && some);
    expect(events.map(({ data }) => data.owner)).to.deep.equal(numbers(30).map(String));
    expect(feed.readers).to.equal(2);
    slow.destroy();
    await eventually(async () => feed.readers === 1, 'the slow reader is forgotten');
    await quick.close();
    await forgotten();
  });

  it('that disconnect before their answer do not count', async () => {
    const { hostname, port } = new URL(server.url);
    for (const _number of numbers(110)) {
      const socket = createConnection({ host: hostname, port: Number(port) });
      await once(socket, 'connect');
      socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
      socket.destroy();
    }
    await using reader = await eventually(async () => {
      const one = await read();
      return one.status === 200 && one;
    }, 'an admitted reader');
    await reader.close();
    await forgotten();
  });

  it('that are browsers reconnect by themselves and continue after their last event', async () => {
    const cut = new AbortController();
    let connections = 0;
    const source = new EventSource(`${server.url}/events`, {
      fetch: async (target, init) => {
        connections += 1;
        const signals = [init.signal as AbortSignal, ...(connections === 1 ? [cut.signal] : [])];
        const {
          status,
          url: from,
          redirected,
          headers,
          body,
        } = await fetch(target, {
          ...init,
          signal: AbortSignal.any(signals),
        });
        // Otherwise it reconnects only after three seconds.
        const hurry = new TransformStream<Uint8Array, Uint8Array>({
          start: (controller) => controller.enqueue(new TextEncoder().encode('retry: 20\n\n')),
        });
        return { status, url: from, redirected, headers, body: body?.pipeThrough(hurry) ?? null };
      },
    });
    try {
      const got: string[] = [];
      const wait = Promise.withResolvers<void>();
      source.addEventListener('message', ({ data }) => {
        got.push(JSON.parse(String(data)).message);
        if (got.at(-1) === 'one') cut.abort(new TypeError('The connection is cut.'));
        if (got.at(-1) === 'three') wait.resolve();
      });
      await once(source as unknown as EventTarget, 'open');
      await registry.events.append({ type: 'session_warning', message: 'one' });
      await eventually(async () => source.readyState === source.CONNECTING, 'the connection is lost');
      await registry.events.append({ type: 'session_warning', message: 'two' });
      await registry.events.append({ type: 'session_warning', message: 'three' });
      await wait.promise;
      expect(got).to.deep.equal(['one', 'two', 'three']);
      expect(connections).to.equal(2);
    } finally {
      source.close();
    }
    await forgotten();
  });
});
