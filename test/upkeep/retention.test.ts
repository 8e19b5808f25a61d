import { expect } from 'chai';

import type { StoredRunStatus } from '../../src/model/run.ts';
import type { Registry } from '../../src/registry/registry.ts';
import {
  removeOldEvents,
  removeOldRuns,
  removeOldSessions,
  type RetentionOptions,
} from '../../src/upkeep/retention.ts';
import { useEmptyRegistry } from '../monitor/support/empty-registry.ts';
import { makeFolder, runCli } from '../cli/cli.ts';
import { insertSession, literal, rawSql } from '../support/raw-sql.ts';
import { allowRemovals, refuseRemovals } from '../support/refused-removals.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../support/registries.ts';
import { rejectionOf } from '../support/rejection.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const FILE = { records: 'output/records.jsonl' };

interface RunChoice {
  readonly status?: StoredRunStatus;
  readonly daysAgo?: number;
  readonly records?: number;
  readonly isExported?: boolean;
}

describeOnSqliteAndInFullOnPostgres('Retention', (registries) => {
  const empty = useEmptyRegistry(registries);
  let url: string;
  let registry: Registry;
  let failures: unknown[];

  beforeEach(() => {
    ({ url, registry } = empty);
    failures = [];
  });

  const retention = (changes: Partial<RetentionOptions> = {}): RetentionOptions => ({
    registry,
    retentionMs: 30 * DAY_MS,
    batchSize: 50,
    onFailure: (thrown) => failures.push(thrown),
    ...changes,
  });
  const ago = (days: number) => literal(new Date(Date.now() - days * DAY_MS).toISOString());
  const add = async (
    id: string,
    { status = 'completed', daysAgo = 31, records = 0, isExported = false }: RunChoice = {},
  ) => {
    await registry.runs.create({ id, action: 'gather', params: {}, owner: id });
    for (let key = 0; key < records; key += 1) await registry.runs.saveRecord(id, { key }, { key: String(key) });
    if (status === 'processing')
      await registry.runs.begin(id, { token: 1, process: { host: 'here', pid: 1, identity: 'one' } });
    else if (status !== 'pending') await registry.runs.setStatus(id, status);
    if (isExported) await registry.runs.noteExport(id, FILE);
    await rawSql(
      url,
      `update runs set created_at = ${ago(daysAgo)}, updated_at = ${ago(daysAgo)} where id = ${literal(id)}`,
    );
  };
  const left = async () => (await registry.runs.list()).map(({ id }) => id).toSorted();
  const addEvents = async (count: number, daysAgo: number) => {
    const { length: before } = await rawSql(url, 'select id from events');
    for (let number = before; number < before + count; number += 1)
      await registry.events.append({ type: 'session_warning', message: `event ${number}` });
    const { id } = (await rawSql(url, 'select max(id) as id from events'))[0]!;
    await rawSql(url, `update events set at = ${ago(daysAgo)} where id > ${Number(id) - count}`);
  };

  describe('of runs', () => {
    it('removes those that ended before the retention time, with their steps and records, and leaves younger ones', async () => {
      await add('old', { records: 2, isExported: true });
      await add('young', { daysAgo: 29, records: 2, isExported: true });
      for (const id of ['old', 'young'])
        await rawSql(
          url,
          `insert into steps (run_id, id, key, ord, status) values (${literal(id)}, 'step', 'step', 0, 'done')`,
        );
      for (const status of ['partial', 'failed', 'halted', 'timed_out', 'cancelled'] as const)
        await add(status, { status });
      expect(await removeOldRuns(retention())).to.equal(6);
      expect(await left()).to.deep.equal(['young']);
      for (const [table, number] of [
        ['steps', 1],
        ['records', 2],
      ] as const) {
        const rows = await rawSql(url, `select run_id from ${table}`);
        expect(rows.map(({ run_id: id }) => id)).to.deep.equal(Array(number).fill('young'));
      }
      const events = await rawSql(url, "select run_id from events where type = 'run_removed'");
      expect(events).to.have.length(6);
      expect(failures).to.deep.equal([]);
    });

    it('never removes a run in progress or a queued run, however old it is', async () => {
      await add('works', { status: 'processing', daysAgo: 999 });
      await add('waits', { status: 'pending', daysAgo: 999 });
      expect(await removeOldRuns(retention())).to.equal(0);
      expect(await left()).to.deep.equal(['waits', 'works']);
    });

    it('leaves records that were never exported, and removes them after their export', async () => {
      await add('kept', { records: 1 });
      await add('empty');
      expect(await removeOldRuns(retention())).to.equal(1);
      expect(await left()).to.deep.equal(['kept']);
      await registry.runs.noteExport('kept', FILE);
      // The export is the run's last event, from which its retention time counts.
      expect(await removeOldRuns(retention())).to.equal(0);
      await rawSql(url, `update runs set updated_at = ${ago(31)}`);
      expect(await removeOldRuns(retention())).to.equal(1);
      expect(await rawSql(url, 'select key from records')).to.deep.equal([]);
    });

    it('leaves a run that was changed after it was listed as removable', async () => {
      await add('old', { records: 1, isExported: true });
      const before = new Date(Date.now() - 30 * DAY_MS).toISOString();
      expect(await registry.runs.listRemovable({ before, limit: 10 })).to.deep.equal(['old']);
      await registry.runs.saveRecord('old', { more: 1 }, { key: 'more' });
      expect(await registry.runs.remove('old', { before })).to.equal(false);
      expect(await left()).to.deep.equal(['old']);
      expect(await registry.runs.remove('old')).to.equal(true);
    });

    it('leaves a run that has saved more records since its export, for every end', async () => {
      await add('resumed', { status: 'halted', records: 1, isExported: true });
      await add('added to', { status: 'halted', records: 1, isExported: true });
      const process = { host: 'elsewhere', pid: 1, identity: 'one' };
      const claim = { id: 'session', owner: 'resumed', holder: 'manager', process, leaseMs: 60_000 };
      const claimed = await registry.leases.claim(claim);
      await registry.runs.begin('resumed', { token: claimed.isClaimed ? claimed.session.token : 0, process });
      await registry.leases.revoke('session', { status: 'expired', message: 'its process is gone' });
      await registry.runs.saveRecord('added to', { more: 1 }, { key: 'more' });
      await rawSql(url, `update runs set updated_at = ${ago(31)}`);
      expect(await removeOldRuns(retention())).to.equal(0);
      expect(await left()).to.deep.equal(['added to', 'resumed']);
    });

    if (registries.kind === 'sqlite')
      it('counts the export command as an export', async () => {
        await add('kept', { records: 1 });
        using folder = makeFolder();
        const environment = { REGISTRY_URL: url };
        const { code, stderr } = await runCli(['runs', 'export', 'kept'], { cwd: folder.path, environment });
        expect(code, stderr).to.equal(0);
        await rawSql(url, `update runs set updated_at = ${ago(31)}`);
        expect(await removeOldRuns(retention())).to.equal(1);
      });

    it('changes no totals: steps, reused sessions and lost contexts stay counted (R306)', async () => {
      for (const id of ['one', 'two', 'young']) await add(id, { daysAgo: id === 'young' ? 1 : 31 });
      await rawSql(
        url,
        `update runs set total = 10, done = 4, failed = 3, cancelled = 2, skipped = 1, reused = 7, context_losses = 5`,
      );
      const numbers = async () => {
        const { stepsByStatus, sessionsReused, contextLosses, reuseRatio } = await registry.metrics.read();
        return { stepsByStatus, sessionsReused, contextLosses, reuseRatio };
      };
      const before = await numbers();
      expect(before).to.deep.equal({
        stepsByStatus: { done: 12, failed: 9, cancelled: 6, skipped: 3 },
        sessionsReused: 21,
        contextLosses: 15,
        reuseRatio: 1,
      });
      expect(await removeOldRuns(retention())).to.equal(2);
      expect(await left()).to.deep.equal(['young']);
      expect(await numbers()).to.deep.equal(before);
    });

    it('works in batches, the oldest first', async () => {
      for (let number = 0; number < 7; number += 1) await add(`run ${number}`, { daysAgo: 40 - number });
      expect(await removeOldRuns(retention({ batchSize: 2 }))).to.equal(7);
      const events = await rawSql(url, "select run_id from events where type = 'run_removed' order by id");
      expect(events.map(({ run_id: id }) => id)).to.deep.equal([0, 1, 2, 3, 4, 5, 6].map((number) => `run ${number}`));
    });

    for (const batchSize of [1, 2, 50])
      it(`is not stopped by rows that can’t be removed, in batches of ${batchSize} (R401)`, async () => {
        for (const [index, id] of ['first', 'resists', 'resists too', 'last'].entries())
          await add(id, { daysAgo: 50 - index });
        await refuseRemovals(url, 'runs', "old.id like 'resists%'");
        try {
          expect(await removeOldRuns(retention({ batchSize }))).to.equal(2);
        } finally {
          await allowRemovals(url);
        }
        expect(await left()).to.deep.equal(['resists', 'resists too']);
        expect(failures).to.have.length(2);
        for (const failure of failures) expect(String(failure)).to.contain('refused by a test');
        expect(await removeOldRuns(retention({ batchSize }))).to.equal(2);
      });

    it('removes the rest of a run whose removal was interrupted (R401)', async () => {
      await add('first', { records: 2, isExported: true });
      await refuseRemovals(url, 'records', "old.key = '0'");
      try {
        expect(await removeOldRuns(retention())).to.equal(0);
      } finally {
        await allowRemovals(url);
      }
      expect(failures).to.have.length(1);
      expect(await registry.runs.listHalfRemoved()).to.deep.equal(['first']);
      expect(await removeOldRuns(retention())).to.equal(0);
      expect(await registry.runs.listHalfRemoved()).to.deep.equal([]);
      expect(await rawSql(url, 'select key from records')).to.deep.equal([]);
    });
  });

  describe('of sessions', () => {
    const addSession = (id: string, values: Readonly<Record<string, string>>) =>
      rawSql(url, insertSession({ id, owner: id, status: 'dead', ...values }));
    const hoursAgo = (hours: number) => new Date(Date.now() - hours * HOUR_MS).toISOString();
    const remove = (batchSize: number) =>
      removeOldSessions({
        registry,
        status: 'dead',
        before: hoursAgo(1),
        batchSize,
        onFailure: (thrown) => failures.push(thrown),
      });
    const leftSessions = async () => (await registry.sessions.list()).map(({ id }) => id).toSorted();

    for (const batchSize of [1, 2, 50])
      it(`is not stopped by rows that can’t be removed, in batches of ${batchSize} (R401)`, async () => {
        for (const [index, id] of ['first', 'resists', 'second', 'resists too', 'last'].entries())
          await addSession(id, { ended_at: hoursAgo(9 - index) });
        await addSession('young', { ended_at: hoursAgo(0.9) });
        await addSession('ended', { status: 'ended', ended_at: hoursAgo(9) });
        await refuseRemovals(url, 'sessions', "old.id like 'resists%'");
        try {
          expect(await remove(batchSize)).to.equal(3);
        } finally {
          await allowRemovals(url);
        }
        expect(await leftSessions()).to.deep.equal(['ended', 'resists', 'resists too', 'young']);
        expect(failures).to.have.length(2);
        for (const failure of failures) expect(String(failure)).to.contain('refused by a test');
        expect(await remove(batchSize)).to.equal(2);
      });

    if (registries.kind === 'postgres')
      it('rejects with the reason if no row can be removed (R410)', async () => {
        await addSession('one', { ended_at: hoursAgo(9) });
        await refuseRemovals(url, 'sessions');
        try {
          expect((await rejectionOf(remove(50))).message).to.contain('refused by a test');
        } finally {
          await allowRemovals(url);
        }
        expect(failures).to.have.length(1);
      });

    it('rejects if more than a hundred rows can’t be removed, because the registry itself then has a problem (R410)', async () => {
      const [first = '', ...others] = Array.from({ length: 120 }, (_unused, number) =>
        insertSession({ id: `row ${number}`, owner: 'ann', status: 'dead', ended_at: hoursAgo(9) }),
      );
      await rawSql(url, [first, ...others.map((insert) => insert.replace(/^.*\) values /, ''))].join(', '));
      await refuseRemovals(url, 'sessions', "old.id like 'row%'");
      try {
        expect((await rejectionOf(remove(30))).message).to.contain('refused by a test');
      } finally {
        await allowRemovals(url);
      }
      expect(failures).to.have.length(100);
      expect(await remove(30)).to.equal(120);
    });
  });

  describe('of events', () => {
    it('removes those older than the retention time, in batches, and leaves younger ones', async () => {
      await addEvents(7, 31);
      await addEvents(3, 29);
      expect(await removeOldEvents(retention({ batchSize: 2 }))).to.equal(7);
      const messages = (await registry.events.listAfter(0, { limit: 100 })).map(({ message }) => message);
      expect(messages).to.deep.equal(['event 7', 'event 8', 'event 9']);
      expect(await removeOldEvents(retention({ batchSize: 2 }))).to.equal(0);
    });

    it('also ends if the last batch is full', async () => {
      await addEvents(4, 31);
      expect(await removeOldEvents(retention({ batchSize: 2 }))).to.equal(4);
    });

    it('assigns no id twice, so that a reader of events misses none', async () => {
      await addEvents(2, 31);
      const latest = await registry.events.latestId();
      await removeOldEvents(retention());
      await registry.events.append({ type: 'session_warning', message: 'next' });
      const next = await registry.events.listAfter(latest, { limit: 10 });
      expect(next.map(({ message }) => message)).to.deep.equal(['next']);
    });
  });
});
