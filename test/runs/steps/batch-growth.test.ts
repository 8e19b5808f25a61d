import { expect } from 'chai';
import { ActionError } from 'webdriver-supervisor';
import { rejectionOf } from '../../support/rejection.ts';
import { never, runScripted } from '../../support/scripted-run.ts';

const key = (item: string): string => item;

describe('ctx.batch: add', () => {
  it('appends items that are counted and done once, in the order in which they are added', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        const { results } = await batch(
          'crawl',
          ['/'],
          (page, { add }) => {
            if (page === '/')
              expect([add('/a'), add('/b'), add('/a'), add('/')]).to.deep.equal([true, true, false, false]);
            if (page === '/a') add('/a/1');
          },
          { key, concurrency: 1 },
        );
        expect(results.map((result) => result.key)).to.deep.equal(['/', '/a', '/b', '/a/1']);
      },
    });
    expect(outcome).to.include({ status: 'completed' });
    expect(outcome.counts).to.include({ total: 4, done: 4 });
  });

  it('continues on re-entry with the added items, although the item that added them is not done again', async () => {
    const worked: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch }, { entry, die }) => {
        const { results } = await batch(
          'crawl',
          [{ url: '/' }],
          async ({ url }, { add }) => {
            worked.push(url);
            if (url === '/') for (const next of ['/a', '/b', '/c']) add({ url: next });
            if (url === '/b') {
              add({ url: '/b/1' });
              if (entry === 1) await die();
            }
            return url;
          },
          { key: ({ url }) => url, concurrency: 1 },
        );
        expect(results.map((result) => result.key)).to.deep.equal(['/', '/a', '/b', '/c', '/b/1']);
      },
    });
    expect(worked).to.deep.equal(['/', '/a', '/b', '/b', '/c', '/b/1']);
    expect(outcome.counts).to.deep.equal({ total: 5, done: 5, failed: 0, cancelled: 0, skipped: 0 });
  });

  it('passes parsed copies of added items on, and refuses values that are not JSON, with their path', async () => {
    const source = { url: '/a', list: [1] };
    const { outcome, code } = await runScripted({
      run: async ({ batch }) => {
        await batch(
          'crawl',
          [{ url: '/', list: [] as number[] }],
          (item, { add }) => {
            if (item.url === '/a') expect(item).not.to.equal(source);
            else {
              add(source);
              source.list.push(2);
            }
            if (item.url === '/a') add({ url: '/date', when: new Date() } as never);
          },
          { key: ({ url }) => url },
        );
      },
    });
    expect(code).to.equal('action-error');
    expect(outcome.error?.message).to.contain('when is a Date').and.contain('batch "crawl"');
  });

  it('separates two batches of one name, also if their workers add items and `run` is entered again', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }, { entry, die }) => {
        const keys: string[][] = [];
        for (const start of ['1', '2']) {
          const { results } = await batch(
            'pages',
            [start],
            (item, { add }) => {
              if (item === start) add(`${start} more`);
            },
            { key },
          );
          keys.push(results.map((result) => result.key));
        }
        expect(keys).to.deep.equal([
          ['1', '1 more'],
          ['2', '2 more'],
        ]);
        if (entry === 1) await die();
      },
    });
    expect(outcome.error).to.equal(null);
    expect(outcome.counts).to.include({ total: 4, done: 4 });
  });
});

describe('ctx.batch: options and identity', () => {
  it('refuses two items with one key before any work starts, and names the key and the batch', async () => {
    let worked = 0;
    const { outcome, code } = await runScripted({
      run: async ({ batch }) => {
        await batch('b', ['x', 'y', 'x'], () => (worked += 1), { key });
      },
    });
    expect(code).to.equal('action-error');
    expect(outcome.error?.message).to.contain('the item "x" of batch "b"'.slice(4));
    expect(worked).to.equal(0);
    expect(outcome.counts.done).to.equal(0);
  });

  it('refuses a key function that is missing, returns no string, or returns different keys for one item', async () => {
    let count = 0;
    const bad = [undefined, () => '', () => 7, () => undefined, () => `key ${count++}`];
    for (const badKey of bad) {
      const { code, outcome } = await runScripted({
        run: async ({ batch }) => void (await batch('b', ['x'], () => 1, { key: badKey as () => string })),
      });
      expect(code, String(badKey)).to.equal('action-error');
      expect(outcome.error?.message).to.contain('"b"');
    }
  });

  it('refuses an invalid concurrency, number of retries, rate limit and number of sessions', async () => {
    const wrong = [
      { concurrency: 0 },
      { retries: -1 },
      { rateLimit: { count: 0, perMs: 1 } },
      { sessions: 0 },
      { sessions: 1.5 },
    ];
    for (const options of wrong) {
      const { code, outcome } = await runScripted({
        run: async ({ batch }) => void (await batch('b', ['x'], () => 1, { key, ...options })),
      });
      expect(code, JSON.stringify(options)).to.equal('action-error');
      expect(outcome.counts.done).to.equal(0);
    }
  });

  it('accepts an item that its worker changes, and an empty batch', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        await batch(
          'b',
          [{ id: 'x' }],
          (item, { attempt }) => {
            item.id = 'changed';
            if (attempt === 1) throw new Error('again');
          },
          { key: ({ id }) => id, retries: 1 },
        );
        expect(await batch('empty', [], never, { key })).to.deep.equal({
          counts: { total: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 },
          results: [],
          stoppedBy: null,
        });
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
  });

  it('throws if a worker uses `driver` with a concurrency above 1, and not if it only destructures it', async () => {
    const { outcome, code } = await runScripted({
      run: async ({ batch }) => {
        await batch('taken', ['x', 'y'], (_item, { driver }) => void driver, { key });
        await batch('used', ['x', 'y'], (_item, { driver }) => driver.getTitle(), { key, concurrency: 2 });
      },
    });
    expect(code).to.equal('action-error');
    expect(outcome.error?.message).to.contain('`concurrency: 1`').and.contain('`sessions`');
    expect(outcome.counts).to.include({ total: 4, done: 2 });
  });

  it('gives the session’s driver to a worker that runs alone', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        await batch('b', ['x'], (_item, { driver }) => driver.getTitle(), { key, concurrency: 1 });
      },
    });
    expect(outcome).to.include({ status: 'completed' });
  });

  it('refuses a step, a batch and ctx.save within an item', async () => {
    const received: Error[] = [];
    await runScripted({
      run: async ({ batch, step, save }) => {
        await batch(
          'b',
          ['x'],
          async () => {
            received.push(
              await rejectionOf(step('s', () => 1)),
              await rejectionOf(batch('c', ['y'], () => 1, { key })),
              await rejectionOf(save({}, { key: 'r' })),
            );
          },
          { key },
        );
      },
    });
    expect(received).to.have.length(3);
    for (const error of received) expect(error).to.be.instanceOf(ActionError);
  });
});
