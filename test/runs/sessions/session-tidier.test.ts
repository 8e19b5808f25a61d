import { once } from 'node:events';

import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { runScripted } from '../../support/scripted-run.ts';

const key = (item: string): string => item;
const ITEMS = ['a', 'b', 'c'];
const isTidying = ({ path }: { path: string }) => /\/(window|window\/handles|title|alert\/text)$/.test(path);

describe('Between two items of a batch on the run’s own session', () => {
  it('closes the windows that the first item opened and switches to the window in which the batch began', async () => {
    const seen: unknown[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch, driver }) => {
        await driver.switchTo().newWindow('tab');
        await batch(
          'b',
          ITEMS,
          async () => {
            seen.push([await driver.getWindowHandle(), await driver.getAllWindowHandles()]);
            await driver.switchTo().newWindow('tab');
            await driver.switchTo().newWindow('tab');
          },
          { key, concurrency: 1 },
        );
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 1 });
    const home = ['window-2', ['window-1', 'window-2']];
    expect(seen).to.deep.equal([home, home, home]);
  });

  it('sends no command after items that sent none', async () => {
    await using server = await openScriptedWebDriver();
    const { outcome } = await runScripted({
      server,
      run: async ({ batch }) => {
        await batch('b', ITEMS, () => Promise.resolve(1), { key, concurrency: 1 });
        await batch('c', ITEMS, () => Promise.resolve(1), { key, sessions: 2 });
      },
    });
    expect(outcome.status).to.equal('completed');
    expect(server.requests.filter(isTidying)).to.deep.equal([]);
  });

  it('stays in the frame that code before the batch entered, and leaves a frame that an item entered', async () => {
    await using server = await openScriptedWebDriver();
    const frames = () => server.requests.filter(({ path }) => path.endsWith('/frame')).map(({ body }) => body['id']);
    const seen: unknown[] = [];
    await runScripted({
      server,
      run: async ({ batch, driver }) => {
        await driver.switchTo().frame(0);
        await batch(
          'b',
          ITEMS,
          async (item) => {
            await driver.getTitle();
            seen.push(frames().slice());
            if (item === 'b') await driver.switchTo().frame(1);
          },
          { key, concurrency: 1 },
        );
      },
    });
    expect(seen).to.deep.equal([[0], [0], [0, 1, null]]);
  });

  it('enters `run` again on a new session if alerts open endlessly, and counts that against no item', async () => {
    await using server = await openScriptedWebDriver();
    const { outcome, entries, warnings } = await runScripted({
      server,
      run: async ({ batch, driver, session }) => {
        await batch(
          'b',
          ITEMS,
          async (item) => {
            await driver.getCurrentUrl();
            if (item !== 'a') return;
            server.answer(({ path }) => path.endsWith(`${session.id}/title`), { error: 'unexpected alert open' });
            server.answer(({ path }) => path.includes(`${session.id}/alert`), { value: 'boo' });
          },
          { key, concurrency: 1 },
        );
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null, sessions: 2 });
    expect(outcome.counts).to.include({ total: 3, done: 3 });
    expect(outcome.deaths).to.deep.equal([]);
    expect(entries).to.equal(2);
    expect(warnings).to.deep.equal([]);
  });
});

describe('An item that ends the run’s own session', () => {
  for (const how of ['driver.quit()', 'closing its last window'] as const) {
    it(`has its own result, and the other items are done on a new session, after ${how}`, async () => {
      const done: string[] = [];
      const { outcome, entries, left } = await runScripted({
        run: async ({ batch, driver }) => {
          const { results } = await batch(
            'b',
            ITEMS,
            async (item, { save }) => {
              await driver.getTitle();
              save({ item }, { key: item });
              if (item === 'a') await (how === 'driver.quit()' ? driver.quit() : driver.close());
              done.push(item);
              return item;
            },
            { key, concurrency: 1 },
          );
          expect(results.map(({ status }) => status)).to.deep.equal(['done', 'done', 'done']);
          await driver.getTitle();
        },
      });
      expect(outcome).to.include({ status: 'completed', error: null, sessions: 2, records: 3 });
      expect(outcome.deaths).to.deep.equal([]);
      expect(done).to.deep.equal(ITEMS);
      expect(entries).to.equal(2);
      expect(left).to.equal(0);
    });
  }

  it('does not end the run, even if every item ends its session', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch, driver }) => {
        await batch('b', ['a', 'b', 'c', 'd', 'e'], () => driver.quit(), { key, concurrency: 1 });
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(outcome.counts).to.include({ total: 5, done: 5 });
  });

  it('fails with its own error if it then throws, and is not done again', async () => {
    const begun: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch, driver }) => {
        const { results } = await batch(
          'b',
          ITEMS,
          async (item) => {
            begun.push(item);
            await driver.getTitle();
            if (item !== 'a') return;
            await driver.quit();
            throw new Error('after the end');
          },
          { key, concurrency: 1, retries: 2 },
        );
        expect(results[0]).to.have.nested.property('error.message', 'after the end');
      },
    });
    expect(outcome).to.include({ status: 'partial', error: null });
    expect(outcome.counts).to.include({ total: 3, done: 2, failed: 1 });
    expect(begun).to.deep.equal(ITEMS);
  });

  it('has its own result on slot 1 of a pool', async () => {
    const begun: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch, session }, { entry }) => {
        await batch(
          'b',
          [...ITEMS, 'd'],
          async (item, { driver, save }) => {
            begun.push(item);
            const isOwn = (await driver.getSession()).getId() === session.id;
            if (isOwn && entry === 1) await driver.quit();
            else await driver.getTitle();
            save({ item }, { key: item });
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null, records: 4 });
    expect(outcome.deaths).to.deep.equal([]);
    expect(begun.filter((item) => item === begun[0])).to.have.length(1);
  });

  it('ends the run with code session-unusable if no entry of `run` finishes an item', async () => {
    const { outcome, code, entries } = await runScripted({
      run: async ({ batch, driver }) => {
        await batch(
          'b',
          ['a', 'b'],
          async (item, { signal }) => {
            if (item === 'a') await driver.quit();
            else await once(signal, 'abort');
            signal.throwIfAborted();
          },
          { key, concurrency: 2 },
        );
      },
    });
    expect(outcome.status).to.equal('failed');
    expect(code).to.equal('session-unusable');
    expect(entries).to.equal(3);
  });
});

describe('The code of an item that has ended', () => {
  for (const [where, options] of [
    ['the run’s own session', { concurrency: 1 }],
    ['the sessions of a pool', { sessions: 2 }],
  ] as const) {
    it(`is refused further commands on ${where}, with an error that names the item`, async () => {
      const late = where === 'the run’s own session' ? ['late 1'] : ['late 1', 'late 2'];
      const goOn = Promise.withResolvers<void>();
      const refused = new Map(late.map((item) => [item, Promise.withResolvers<unknown>()]));
      const { outcome } = await runScripted({
        run: async ({ batch, driver: own }, { run }) => {
          const areEnded = Promise.withResolvers<void>();
          // The end of an item is counted when it is stored, which emits no event.
          const look = (): unknown =>
            run.progress.counts.failed === late.length ? areEnded.resolve() : setImmediate(look);
          await batch(
            'b',
            [...late, 'next'],
            async (item, tools) => {
              const driver = 'sessions' in options ? tools.driver : own;
              await driver.getTitle();
              if (item === 'next') {
                look();
                await areEnded.promise;
                goOn.resolve();
                await Promise.all([...refused.values()].map(({ promise }) => promise));
                return;
              }
              void goOn.promise
                .then(() => driver.get('http://late.test/'))
                .catch((thrown: unknown) => thrown)
                .then((end) => refused.get(item)?.resolve(end));
              throw new Error('the worker ended before its code did');
            },
            { key, ...options },
          );
        },
      });
      for (const [item, { promise }] of refused) {
        expect(await promise).to.include({ code: 'item-ended' });
        expect(await promise)
          .to.have.property('message')
          .that.contains(`The item "${item}" of batch "b" has ended`);
      }
      expect(outcome.counts).to.include({ done: 1, failed: late.length });
    });
  }

  it('is refused further commands when its item is tried again', async () => {
    const goOn = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<unknown>();
    const { outcome } = await runScripted({
      run: async ({ batch, driver }) => {
        await batch(
          'b',
          ['late'],
          async (_item, { attempt }) => {
            await driver.getTitle();
            if (attempt === 2) {
              goOn.resolve();
              await refused.promise;
              return;
            }
            await goOn.promise;
            refused.resolve(await driver.get('http://late.test/').catch((thrown: unknown) => thrown));
          },
          { key, concurrency: 1, retries: 1, timeoutMs: 2_000 },
        );
      },
    });
    expect(await refused.promise).to.include({ code: 'item-ended' });
    expect(outcome.status).to.equal('completed');
  });
});
