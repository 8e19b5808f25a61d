import { expect } from 'chai';
import * as fc from 'fast-check';
import { Client } from 'pg';

import { openRegistry, type NewEvent, type Registry } from '../../../src/registry/registry.ts';
import { numbers } from '../../support/opened-run.ts';
import { rawSql } from '../../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../../support/registries.ts';
import type { ReadOptions, StreamMessage } from '../support/event-reader.ts';
import { ODD_OWNER } from '../support/filled-registry.ts';
import { openMonitor, type OpenedMonitor } from '../support/opened-monitor.ts';
import { startRun, startSession } from '../support/rows.ts';

const SEED = Number(process.env['SEED'] ?? 20_260_301);

describeOnSqliteAndInFullOnPostgres('Monitor: the stream of events', (registries) => {
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

  const read = (query = '', options: ReadOptions = {}) => monitor.readEvents(query, options);
  const append = (event: Partial<NewEvent> = {}) => registry.events.append({ type: 'session_warning', ...event });
  const messagesOf = (messages: readonly StreamMessage[]) => messages.map(({ data }) => data.message as string);

  it('sends all events in order, with the fields of R209 only', async () => {
    const from = await registry.events.latestId();
    await using reader = await read();
    expect(reader.status).to.equal(200);
    expect(reader.headers.get('content-type')).to.equal('text/event-stream');
    expect(reader.headers.get('cache-control')).to.include('no-cache');
    await startRun(registry, { id: 'first', owner: ODD_OWNER });
    await registry.leases.revoke('session of first', { status: 'timed_out', message: 'no progress\nfor 31 min' });
    await append({ owner: null, message: '\u2028 data: x\r\nid: 7\n\nevent: progress\n\n: 日本 \u0000' });
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

  it('continues after the last event of a reader: nothing is lost or sent twice after any disconnection', async function () {
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
          // The writers write at the same time, as the runs of a machine do.
          if (kind === 'burst') written.push(...numbers(number).map((index) => append({ message: `${index}` })));
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

  it('answers at once while the events can’t be read, and sends them all later', async () => {
    const begin = await registry.events.latestId();
    await append({ message: 'before' });
    await rawSql(url, 'alter table events rename to hidden');
    await using reader = await read('', { lastEventId: String(begin) });
    expect(reader.status).to.equal(200);
    expect((await read()).status).to.equal(503);
    expect((await monitor.ask('/livez')).status).to.equal(200);
    await rawSql(url, 'alter table hidden rename to events');
    await append({ message: 'after' });
    const events = await reader.until(({ events: some }) => some.length >= 2 && some);
    expect(messagesOf(events)).to.deep.equal(['before', 'after']);
  });

  // The other tests do not depend on the database.
  if (registries.kind === 'postgres') {
    describe('with many concurrent writers', () => describeManyWriters(() => ({ url, registry, monitor })));
    return;
  }

  it('begins with new events, unless the latest are requested', async () => {
    await append({ message: 'old 1' });
    await append({ message: 'old 2', owner: 'somebody' });
    await append({ message: 'old 3' });
    await using onlyNew = await read();
    await using latest = await read('?last=2');
    await using ofOwner = await read('?last=1&owner=somebody');
    await using all = await read('?last=1000');
    await append({ message: 'new', owner: 'somebody' });
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

  it('sends only the events and runs of the requested owner, even with a strange name', async () => {
    const owner = `${ODD_OWNER} too`;
    await using reader = await read(`?owner=${encodeURIComponent(owner)}`);
    await startRun(registry, { id: 'not mine' });
    await startRun(registry, { id: 'mine', owner });
    await append({ owner: 'owner of not mine' });
    await append({ owner: null });
    await append({ owner, message: 'the last' });
    const events = await reader.until(({ events: some }) => some.at(-1)?.data.message === 'the last' && some);
    expect(events.map(({ data }) => [data.type, data.owner])).to.deep.equal(
      ['session_starting', 'session_started', 'run_started', 'session_warning'].map((type) => [type, owner]),
    );
    await reader.until(({ progress }) => progress.some(({ data }) => data.runs.length > 0));
    const runIds = reader.progress.flatMap(({ data }) => data.runs.map(({ id }: { id: string }) => id));
    expect([...new Set(runIds)]).to.deep.equal(['mine']);
    for (const id of ['mine', 'not mine']) await registry.leases.revoke(`session of ${id}`, END);
  });

  it('sends the processing runs at once, and again when one makes progress', async () => {
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

  it('sends the current state to a reader that comes after all others have left', async () => {
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

  for (const [name, lastEventId] of [
    ['a negative number', '-1'],
    ['a fraction', '1.5'],
    ['a number in hexadecimal', '0x10'],
    ['a number with an exponent', '1e3'],
    ['infinity', 'Infinity'],
    ['a word', 'last'],
    ['two numbers', '1, 2'],
    ['a number that no event can have', '9007199254740992'],
    ['a number of 10 KB', '9'.repeat(10_000)],
    ['10 KB of zeros', '0'.repeat(10_000)],
  ] as const) {
    it(`refuses ${name} as Last-Event-ID with a clear message`, async () => {
      await using reader = await read('', { lastEventId });
      expect(reader.status).to.equal(400);
      const { error } = JSON.parse(reader.refusal);
      expect(error.code).to.equal('invalid-request');
      expect(error.message).to.equal(
        'headers/last-event-id must be the id of an event, a whole number from 0 to 9007199254740991',
      );
    });
  }

  it('sends only new events for an empty Last-Event-ID, and for one beyond the newest event', async () => {
    await Promise.all(
      ['', '9007199254740991'].map(async (lastEventId) => {
        const owner = `after ${lastEventId}`;
        await using reader = await read(`?owner=${encodeURIComponent(owner)}`, { lastEventId });
        await reader.until(({ progress }) => progress.length > 0);
        await append({ owner, message: 'new' });
        const events = await reader.until(({ events: some }) => some.length > 0 && some);
        expect(messagesOf(events)).to.deep.equal(['new']);
      }),
    );
  });

  it('ends when the monitor is closed, without delaying that', async () => {
    const readers = await Promise.all(numbers(5).map(() => read()));
    const startedAtMs = performance.now();
    await monitor.close();
    expect(performance.now() - startedAtMs).to.be.lessThan(2_500);
    await Promise.all(readers.map(({ ended }) => ended));
  });
});

const END = { status: 'ended', message: 'the test is over' } as const;

interface Suite {
  readonly url: string;
  readonly registry: Registry;
  readonly monitor: OpenedMonitor;
}

/** Ids are assigned before their transactions end, so that events can become visible out of order. */
function describeManyWriters(suite: () => Suite): void {
  let client: Client;

  before(async () => {
    client = new Client({ connectionString: suite().url });
    await client.connect();
  });

  after(() => client.end());

  it('waits for an earlier transaction that has not ended, so that its event is not left out', async () => {
    const { registry, monitor } = suite();
    await startRun(registry, { id: 'run' });
    await using reader = await monitor.readEvents();
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

  it('answers while the events are locked, and sends them when they are free', async () => {
    const { registry, monitor } = suite();
    const begin = await registry.events.latestId();
    await startSession(registry, { id: 'locked' });
    await using early = await monitor.readEvents();
    await early.until(({ progress }) => progress.length > 0);
    await client.query('begin');
    await client.query('lock table events in access exclusive mode');
    // These calls reach the limit, so that further calls are rejected without a query of the registry.
    const answers = await Promise.all(numbers(6).map(() => monitor.ask('/timeline')));
    expect(answers.map(({ status }) => status)).to.deep.equal(numbers(6).map(() => 503));
    await using reader = await monitor.readEvents('', { lastEventId: String(begin) });
    expect((await monitor.ask('/livez')).status).to.equal(200);
    await client.query('rollback');
    const events = await reader.until(({ events: some }) => some.length > 1 && some);
    expect(events.map(({ data }) => data.type)).to.deep.equal(['session_starting', 'session_started']);
  });
}
