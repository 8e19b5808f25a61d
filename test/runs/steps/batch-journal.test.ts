import { expect } from 'chai';
import { BatchControl, NonRetryableError, openRegistry } from 'webdriver-supervisor';

import { MEMORY_REGISTRY_URL } from '../../../src/registry/registry.ts';
import { makeTestConfig, never, runScripted } from '../../support/scripted-run.ts';
import { makeMeeting } from '../sessions/meeting.ts';

const key = (item: string): string => item;

async function* stream<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  for (const item of items) yield item;
}

describe('ctx.batch: a time limit', () => {
  it('fails a hanging item after `timeoutMs`, with its key, and the run continues', async () => {
    const { outcome, left } = await runScripted({
      run: async ({ batch, save }) => {
        const { results } = await batch('b', ['hangs', 'fine'], (item) => (item === 'hangs' ? never() : item), {
          key,
          timeoutMs: 50,
        });
        expect(results.map(({ status }) => status)).to.deep.equal(['failed', 'done']);
        expect(results[0]).to.have.nested.property('error.code', 'item-timed-out');
        await save({}, { key: 'after' });
      },
    });
    expect(outcome).to.include({ status: 'partial', error: null, records: 1 });
    expect(outcome.counts).to.deep.equal({ total: 2, done: 1, failed: 1, cancelled: 0, skipped: 0 });
    expect(left).to.equal(0);
  });

  it('is below the run’s stuck timeout by default, so that a hanging item fails and the run does not', async () => {
    const attempts: number[] = [];
    const { outcome } = await runScripted({
      options: { config: makeTestConfig({ sessionTimeoutMs: 1_000 }) },
      run: async ({ batch }) => {
        await batch(
          'b',
          ['hangs'],
          (_item, { attempt }) => {
            attempts.push(attempt);
            return never();
          },
          { key, retries: 5 },
        );
      },
    });
    expect(outcome).to.include({ status: 'partial', error: null });
    expect(outcome.counts).to.include({ total: 1, failed: 1 });
    expect(attempts, 'further attempts would outlast the run’s own limit').to.deep.equal([1]);
  });

  it('drops the later saves, added items and value of a timed-out worker', async () => {
    const received: unknown[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        const isLate = Promise.withResolvers<void>();
        await batch(
          'b',
          ['late', 'last'],
          async (item, { save, add, signal }) => {
            if (item === 'last') return isLate.promise;
            save({}, { key: 'dropped' });
            await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
            for (const late of [() => save({}, { key: 'late' }), () => add('more')]) {
              try {
                late();
              } catch (thrown) {
                received.push(thrown);
              }
            }
            isLate.resolve();
            return 'too late';
          },
          { key, timeoutMs: 50 },
        );
      },
    });
    for (const error of received) expect(error).to.have.property('code', 'item-timed-out');
    expect(received).to.have.length(2);
    expect(outcome).to.include({ status: 'partial', records: 0 });
    expect(outcome.counts).to.deep.equal({ total: 2, done: 1, failed: 1, cancelled: 0, skipped: 0 });
  });

  it('applies to an item on a pooled session, which the next item then gets', async () => {
    const { outcome, left } = await runScripted({
      run: async ({ batch }) => {
        const { results } = await batch(
          'b',
          ['hangs', 'a', 'b', 'c'],
          (item, { driver }) => (item === 'hangs' ? never() : driver.getTitle()),
          { key, sessions: 2, timeoutMs: 200 },
        );
        expect(results.map(({ status }) => status)).to.deep.equal(['failed', 'done', 'done', 'done']);
      },
    });
    expect(outcome).to.include({ status: 'partial', error: null });
    expect(left).to.equal(0);
  });
});

describe('ctx.batch: options of the engine', () => {
  it('fails an item at once by an error that is marked final, also if it has retries left', async () => {
    let attempts = 0;
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        await batch(
          'b',
          ['x'],
          () => {
            attempts += 1;
            throw new NonRetryableError('no such page');
          },
          { key, retries: 5 },
        );
      },
    });
    expect(attempts).to.equal(1);
    expect(outcome).to.include({ status: 'partial', error: null });
  });

  it('begins items by priority and changes the concurrency by a control', async () => {
    const order: string[] = [];
    const control = new BatchControl({ concurrency: 1 });
    await runScripted({
      run: async ({ batch }) => {
        await batch('b', ['1', '3', '2'], (item) => void order.push(item), { key, control, priority: Number });
      },
    });
    expect(order).to.deep.equal(['3', '2', '1']);
  });

  it('never runs more workers than sessions, also if a control allows more', async () => {
    let running = 0;
    let most = 0;
    const meet = makeMeeting(2);
    const control = new BatchControl({ concurrency: 10 });
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        await batch(
          'b',
          ['1', '2', '3', '4', '5', '6'],
          async (_item, { driver }) => {
            most = Math.max(most, (running += 1));
            // The second session may start later than the first one takes for all items.
            await meet();
            await driver.getTitle();
            running -= 1;
          },
          { key, control, sessions: 2 },
        );
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 2 });
    expect(most).to.equal(2);
  });
});

describe('ctx.batch: items of an asynchronous iterable', () => {
  it('are pulled when workers need them, and counted then', async () => {
    const totals: number[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch }, { run }) => {
        const { results } = await batch(
          'b',
          stream(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']),
          (item) => {
            totals.push(run.progress.counts.total);
            return item;
          },
          { key, concurrency: 1 },
        );
        expect(results.map((result) => result.key).join('')).to.equal('abcdefgh');
      },
    });
    expect(totals[0]).to.be.below(5);
    expect(outcome.counts).to.include({ total: 8, done: 8 });
  });

  it('are replayed after a death, without the work of known keys and in the same order', async () => {
    const worked: string[] = [];
    const orders: string[][] = [];
    const { outcome } = await runScripted({
      run: async ({ batch }, { entry, die }) => {
        const { results } = await batch(
          'b',
          stream(['a', 'b', 'c', 'd']),
          async (item, { add, skip, save }) => {
            worked.push(item);
            if (item === 'a') add('a more');
            if (item === 'b') skip('no');
            if (item === 'c' && entry === 1) await die();
            save({ item }, { key: item });
            return `${item} of entry ${entry}`;
          },
          { key, concurrency: 1 },
        );
        orders.push(results.map((result) => (result.status === 'done' ? result.value : result.status)));
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(worked.filter((item) => item === 'a' || item === 'b')).to.deep.equal(['a', 'b']);
    expect(orders).to.have.length(1);
    expect(orders[0]?.map((value) => value.split(' ')[0])).to.deep.equal(['a', 'skipped', 'c', 'd', 'a']);
    expect(orders[0]?.[0]).to.equal('a of entry 1');
    expect(outcome.counts).to.deep.equal({ total: 5, done: 4, failed: 0, cancelled: 0, skipped: 1 });
    expect(outcome.records).to.equal(4);
  });

  it('are replayed by a resumed run, in their order and without their workers', async () => {
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const stop = new AbortController();
    const runOnce = (options: object, worked: string[]) =>
      runScripted({
        options: { registry, ...options },
        run: async ({ batch }) => {
          const { results } = await batch(
            'b',
            stream(['a', 'b', 'c']),
            (item, { add }) => {
              worked.push(item);
              if (item === 'a') for (const more of ['x', 'y']) add(more);
              if (item === 'y' && worked.length < 6 && !stop.signal.aborted) stop.abort();
              return item;
            },
            { key, concurrency: 1 },
          );
          expect(results.map((result) => result.key)).to.deep.equal(['a', 'b', 'c', 'x', 'y']);
        },
      });
    const first: string[] = [];
    const { outcome } = await runOnce({ signal: stop.signal }, first);
    expect(outcome.status).to.equal('cancelled');
    const second: string[] = [];
    const resumed = await runOnce({ resume: outcome.runId }, second);
    expect(resumed.outcome).to.include({ status: 'completed', error: null });
    expect(second.filter((item) => item !== 'y' && first.includes(item))).to.deep.equal([]);
    expect([...new Set([...first, ...second])].toSorted()).to.deep.equal(['a', 'b', 'c', 'x', 'y']);
  });

  it('end the run as failed if the iterable fails, after running items have ended', async () => {
    let isFinished = false;
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        const begun = Promise.withResolvers<void>();
        const items = (async function* () {
          yield 'a';
          await begun.promise;
          throw new Error('the list broke off');
        })();
        await batch(
          'b',
          items,
          async (_item, { signal }) => {
            begun.resolve();
            await new Promise((resolve) => setImmediate(resolve));
            isFinished = !signal.aborted;
          },
          { key },
        );
      },
    });
    expect(isFinished).to.equal(true);
    expect(outcome.status).to.equal('failed');
    expect(outcome.error?.message).to.equal('the list broke off');
    expect(outcome.counts).to.include({ total: 1, done: 1 });
  });
});
