import { expect } from 'chai';
import { EventSource } from 'eventsource';
import fc from 'fast-check';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { Client } from 'pg';

import { silentLog } from '../../../src/core/log.ts';
import { EventFeed } from '../../../src/monitor/event-feed.ts';
import { openServer } from '../../../src/monitor/http/server.ts';
import { RegistryLink } from '../../../src/monitor/registry-link.ts';
import { openRegistry, type NewEvent, type Registry } from '../../../src/registry/registry.ts';
import { eventually } from '../../support/eventually.ts';
import { numbers } from '../../support/opened-run.ts';
import { rawSql } from '../../support/raw-sql.ts';
import { describeOnBoth, describeOnPostgres, describeOnSqlite } from '../../support/registries.ts';
import { EventReader, type StreamMessage } from '../support/event-reader.ts';
import { openMonitor, type OpenedMonitor } from '../support/opened-monitor.ts';
import { startRun, startSession } from '../support/rows.ts';

const ODD_OWNER = 'Zoë "O\'Neil" & Söhne/№ 7?a=b#c%41 <i>\n日本';
const SEED = Number(process.env['SEED'] ?? 20_260_301);

describeOnBoth('Monitor: the stream of events', (registries) => {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
    monitor = await openMonitor(url);
  });

  after(async () => {
    await monitor.close();
    await registry.close();
  });

  const read = (query = '', options: Parameters<typeof EventReader.open>[1] = {}) =>
    EventReader.open(`${monitor.url}/events${query}`, options);
  const tell = (event: Partial<NewEvent> = {}) => registry.events.append({ type: 'session_warning', ...event });
  const messagesOf = (messages: readonly StreamMessage[]) => messages.map(({ data }) => data.message as string);

  it('gives all that happens, in order, with the fields that R209 names and nothing else', async () => {
    const from = await registry.events.latestId();
    await using reader = await read();
    expect(reader.status).to.equal(200);
    expect(reader.headers.get('content-type')).to.equal('text/event-stream');
    expect(reader.headers.get('cache-control')).to.include('no-cache');
    await startRun(registry, { id: 'first', owner: ODD_OWNER });
    await registry.leases.revoke('session of first', { status: 'timed_out', message: 'no progress\nfor 31 min' });
    await tell({ owner: null, message: '\u2028 data: x\r\nid: 7\n\nevent: progress\n\n: 日本 \u0000' });
    const stored = await registry.events.listAfter(from, { limit: 100 });
    const events = await reader.until(({ events: some }) => some.length >= stored.length && some);
    expect(events.map(({ id }) => id)).to.deep.equal(stored.map(({ id }) => String(id)));
    expect(events.map(({ data }) => data)).to.deep.equal(
      stored.map(({ type, sessionId, runId, owner, status, message, at }) => ({
        type,
        session_id: sessionId,
        run_id: runId,
        owner,
        status,
        message,
        timestamp: at,
      })),
    );
    expect(events.map(({ data }) => data.type)).to.deep.equal([
      'session_starting',
      'session_started',
      'run_started',
      'session_timeout',
      'run_ended',
      'session_warning',
    ]);
    const timeout = events.find(({ data }) => data.type === 'session_timeout');
    expect(timeout?.data).to.include({ owner: ODD_OWNER, session_id: 'session of first', run_id: 'first' });
    expect(timeout?.data).to.include({ status: 'timed_out', message: 'no progress\nfor 31 min' });
  });

  it('begins with what is new, unless the latest are asked for', async () => {
    await tell({ message: 'old 1' });
    await tell({ message: 'old 2', owner: 'somebody' });
    await tell({ message: 'old 3' });
    await using onlyNew = await read();
    await using latest = await read('?last=2');
    await using ofOwner = await read('?last=1&owner=somebody');
    await using all = await read('?last=1000');
    await tell({ message: 'new', owner: 'somebody' });
    for (const { reader, expected } of [
      { reader: onlyNew, expected: ['new'] },
      { reader: latest, expected: ['old 2', 'old 3', 'new'] },
      { reader: ofOwner, expected: ['old 2', 'new'] },
    ]) {
      const found = await reader.until(({ events }) => events.at(-1)?.data.message === 'new' && events);
      expect(messagesOf(found)).to.deep.equal(expected);
    }
    const everything = await all.until(({ events }) => events.at(-1)?.data.message === 'new' && events);
    expect(everything).to.have.length((await registry.events.listLatest({ limit: 1_000 })).length);
  });

  it('gives an owner only its own events and its own runs, however odd its name is', async () => {
    const owner = `${ODD_OWNER} too`;
    await using reader = await read(`?owner=${encodeURIComponent(owner)}`);
    await startRun(registry, { id: 'not mine' });
    await startRun(registry, { id: 'mine', owner });
    await tell({ owner: 'owner of not mine' });
    await tell({ owner: null });
    await tell({ owner, message: 'the last' });
    const events = await reader.until(({ events: some }) => some.at(-1)?.data.message === 'the last' && some);
    expect(events.map(({ data }) => [data.type, data.owner])).to.deep.equal(
      ['session_starting', 'session_started', 'run_started', 'session_warning'].map((type) => [type, owner]),
    );
    await reader.until(({ progress }) => progress.some(({ data }) => data.runs.length > 0));
    const runIds = reader.progress.flatMap(({ data }) => data.runs.map(({ id }: { id: string }) => id));
    expect([...new Set(runIds)]).to.deep.equal(['mine']);
    for (const id of ['mine', 'not mine']) await registry.leases.revoke(`session of ${id}`, END);
  });

  it('tells at once which runs are being worked on, and again when one of them gets on', async () => {
    await startRun(registry, { id: 'moving' });
    await using reader = await read();
    const first = await reader.until(({ progress }) => progress.at(-1));
    expect(first.id).to.equal(undefined);
    expect(first.data).to.deep.equal({ runs: [(await monitor.ask('/runs/moving')).json] });
    await registry.runs.setProgress('moving', { done: 3, total: 4, label: 'pages' });
    const next = await reader.until(({ progress }) => progress.length > 1 && progress.at(-1));
    expect(next.data.runs[0].progress).to.deep.equal({ done: 3, total: 4, percent: 75, label: 'pages' });
    await registry.leases.revoke('session of moving', END);
    const last = await reader.until(({ progress }) => progress.length > 2 && progress.at(-1));
    expect(last.data).to.deep.equal({ runs: [] });
  });

  it('tells who comes after all others have left how things are now, and not how they were then', async () => {
    await startRun(registry, { id: 'changing' });
    await using early = await read();
    await early.until(({ progress }) => progress.at(-1));
    await early.close();
    await registry.runs.setProgress('changing', { done: 1, total: 2 });
    await using late = await read();
    const [first] = await late.until(({ progress }) => progress.length > 0 && progress);
    expect(first?.data.runs[0].progress.percent).to.equal(50);
    await registry.leases.revoke('session of changing', END);
  });

  it('goes on after the last event that a reader has: nothing lost, nothing twice, whenever it is cut off', async function () {
    this.timeout(60_000);
    const burst = fc.record({ kind: fc.constant('burst'), number: fc.integer({ min: 1, max: 30 }) });
    const pause = fc.record({ kind: fc.constant('until'), number: fc.integer({ min: 0, max: 10 }) });
    const cut = fc.constant({ kind: 'cut', number: 0 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(burst, cut, cut, pause), { minLength: 1, maxLength: 8 }), async (steps) => {
        const begin = await registry.events.latestId();
        const ids: string[] = [];
        const written: Promise<unknown>[] = [];
        let reader = await read('', { lastEventId: String(begin) });
        const reopen = async () => {
          await reader.close();
          ids.push(...reader.events.map(({ id = '' }) => id));
          reader = await read('', { lastEventId: ids.at(-1) ?? String(begin) });
        };
        for (const { kind, number } of steps) {
          if (kind === 'cut') await reopen();
          // At the same time, as the runs of a machine do.
          if (kind === 'burst') written.push(...numbers(number).map((index) => tell({ message: `${index}` })));
          if (kind === 'until') {
            const total = Math.min(number, written.length - ids.length);
            await Promise.all(written);
            await reader.until(({ events }) => events.length >= total);
          }
        }
        await Promise.all(written);
        await reopen();
        await reader.until(({ events }) => ids.length + events.length >= written.length);
        await reopen();
        const stored = await rawSql(url, `select id from events where id > ${begin} order by id`);
        expect(ids).to.deep.equal(stored.map(({ id }) => String(id)));
        await reader.close();
      }),
      { numRuns: 12, seed: SEED },
    );
  });

  it('takes a last event that was never one for none', async () => {
    for (const lastEventId of ['', '-1.5']) {
      await using reader = await read('', { lastEventId });
      await tell({ message: `after ${lastEventId}` });
      const events = await reader.until(({ events: some }) => some.length > 0 && some);
      expect(messagesOf(events)).to.deep.equal([`after ${lastEventId}`]);
    }
    expect((await read('', { lastEventId: '9'.repeat(21) })).status).to.equal(400);
  });

  it('answers at once while the events can’t be read, and gives them all when they can', async () => {
    const begin = await registry.events.latestId();
    await tell({ message: 'before' });
    await rawSql(url, 'alter table events rename to hidden');
    await using reader = await read('', { lastEventId: String(begin) });
    expect(reader.status).to.equal(200);
    expect((await read()).status).to.equal(503);
    expect((await monitor.ask('/livez')).status).to.equal(200);
    await rawSql(url, 'alter table hidden rename to events');
    await tell({ message: 'after' });
    const events = await reader.until(({ events: some }) => some.length >= 2 && some);
    expect(messagesOf(events)).to.deep.equal(['before', 'after']);
  });

  it('ends its streams when the monitor is closed, and is closed soon', async () => {
    const own = await openMonitor(url);
    const readers = await Promise.all(numbers(5).map(() => EventReader.open(`${own.url}/events`)));
    const startedAtMs = performance.now();
    await own.close();
    expect(performance.now() - startedAtMs).to.be.lessThan(2_500);
    await Promise.all(readers.map(({ ended }) => ended));
  });
});

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
        hasOwnerLabel: true,
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
        reset: async () => ({ runIds: [], sessionIds: [], failures: [] }),
        endSession: async () => 'missing',
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

  it('are a hundred at most, also where they all come at once; who leaves makes room', async () => {
    const all = await Promise.all(numbers(120).map(read));
    const refused = all.filter(({ status }) => status !== 200);
    const readers = all.filter(({ status }) => status === 200);
    expect(readers).to.have.length(100);
    for (const { status, refusal } of refused) {
      expect(status).to.equal(503);
      expect(JSON.parse(refusal).error).to.include({ code: 'too-many-readers' });
    }
    await registry.events.append({ type: 'session_warning', message: 'for all' });
    for (const reader of readers) await reader.until(({ events }) => events[0]?.data.message === 'for all');
    expect(await (await fetch(`${server.url}/livez`)).json()).to.include({ status: 'ok' });
    await readers[0]?.close();
    const next = await eventually(async () => {
      const reader = await read();
      return reader.status === 200 && reader;
    }, 'a place for one more reader');
    await Promise.all([next, ...readers].map((reader) => reader.close()));
    await forgotten();
  });

  it('are forgotten when they go away, also the slow ones, and none of those holds up the others', async () => {
    const { hostname, port } = new URL(server.url);
    const slow = createConnection({ host: hostname, port: Number(port) });
    slow.pause();
    slow.write(`GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await eventually(async () => feed.readers === 1, 'the slow reader is there');
    await using quick = await read();
    // More than a connection takes of what nobody reads.
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

  it('that go away before they have an answer take no place', async () => {
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
    }, 'a place for a reader');
    await reader.close();
    await forgotten();
  });

  it('that are browsers come back by themselves and go on where they were', async () => {
    const cut = new AbortController();
    let connections = 0;
    const source = new EventSource(`${server.url}/events`, {
      fetch: (target, init) => {
        connections += 1;
        return fetch(target, {
          ...init,
          ...(connections === 1 && { signal: AbortSignal.any([init.signal as AbortSignal, cut.signal]) }),
        });
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

describeOnPostgres('Monitor: events of many writers', (registries) => {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;
  let client: Client;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
    monitor = await openMonitor(url);
    client = new Client({ connectionString: url });
    await client.connect();
  });

  after(async () => {
    await client.end();
    await monitor.close();
    await registry.close();
  });

  it('waits for a transaction that began before and has not ended, so that its event is not left out', async () => {
    await startRun(registry, { id: 'run' });
    await using reader = await EventReader.open(`${monitor.url}/events`);
    await reader.until(({ progress }) => progress.length > 0);
    await client.query('begin');
    await client.query(
      `insert into events (at, type, message) values ('${new Date().toISOString()}', 'session_warning', 'slow')`,
    );
    await registry.events.append({ type: 'session_warning', message: 'quick' });
    await registry.runs.setProgress('run', { done: 1, total: 2 });
    await reader.until(({ progress }) => progress.length > 1);
    expect(reader.events).to.deep.equal([]);
    await client.query('commit');
    const events = await reader.until(({ events: some }) => some.length > 1 && some);
    expect(events.map(({ data }) => data.message)).to.deep.equal(['slow', 'quick']);
  });

  it('goes on answering while the events are locked, and gives them to a reader when they are free', async () => {
    const begin = await registry.events.latestId();
    await startSession(registry, { id: 'locked' });
    await using early = await EventReader.open(`${monitor.url}/events`);
    await early.until(({ progress }) => progress.length > 0);
    await client.query('begin');
    await client.query('lock table events in access exclusive mode');
    // So many at once that further questions are refused unasked.
    const answers = await Promise.all(numbers(6).map(() => monitor.ask('/timeline')));
    expect(answers.map(({ status }) => status)).to.deep.equal(numbers(6).map(() => 503));
    await using reader = await EventReader.open(`${monitor.url}/events`, { lastEventId: String(begin) });
    expect((await monitor.ask('/livez')).status).to.equal(200);
    await client.query('rollback');
    const events = await reader.until(({ events: some }) => some.length > 1 && some);
    expect(events.map(({ data }) => data.type)).to.deep.equal(['session_starting', 'session_started']);
  });
});

const END = { status: 'ended', message: 'the test is over' } as const;
