import { once } from 'node:events';

import { expect } from 'chai';
import { never, runScripted } from '../../support/scripted-run.ts';

describe('ctx.step: identity', () => {
  it('refuses a key that is used twice in one entry of `run`, and names it', async () => {
    const { outcome, code } = await runScripted({
      run: async ({ step }) => {
        await step('Page 1', () => 1);
        await step('Page 1', () => 2);
      },
    });
    expect(outcome).to.include({ status: 'failed' });
    expect(code).to.equal('action-error');
    expect(outcome.error?.message).to.contain('"Page 1"').and.contain('twice');
    expect(outcome.counts).to.include({ total: 1, done: 1 });
  });

  it('accepts the same key for a step and for items of different batches', async () => {
    const { outcome } = await runScripted({
      run: async ({ step, batch }) => {
        await step('same', () => 1);
        await batch('one', ['same'], () => 2, { key: (item) => item });
        await batch('two', ['same'], () => 3, { key: (item) => item });
      },
    });
    expect(outcome.counts).to.include({ total: 3, done: 3 });
  });

  it('refuses a key that is empty or not a string', async () => {
    for (const key of ['', 7, undefined, null]) {
      const { outcome } = await runScripted({ run: ({ step }) => step(key as string, () => undefined) });
      expect(outcome.error?.code).to.equal('action-error');
      expect(outcome.counts.total).to.equal(0);
    }
  });

  it('distinguishes keys that look alike in other notations', async () => {
    const keys = ['a', 'A', ' a', '["a"]', 'null', '__proto__', 'constructor', '👋', 'a\u0000b'];
    const { outcome } = await runScripted({
      run: async ({ step }, { entry, die }) => {
        for (const [index, key] of keys.entries()) expect(await step(key, () => index)).to.equal(index);
        if (entry === 1) await die();
      },
    });
    expect(outcome.counts).to.include({ total: keys.length, done: keys.length });
  });

  it('refuses a step within a batch item', async () => {
    const { code, outcome } = await runScripted({
      run: async ({ step, batch }) => {
        await batch('Outer', ['X'], () => step('inner', () => 1), { key: (item) => item });
      },
    });
    expect(code).to.equal('action-error');
    expect(outcome.error?.message).to.contain('the item "X" of batch "Outer"');
  });

  it('accepts concurrent steps in Promise.all, also nested ones', async () => {
    const { outcome } = await runScripted({
      run: async ({ step }) => {
        const values = await Promise.all(['a', 'b', 'c'].map((key) => step(key, async () => key)));
        expect(values).to.deep.equal(['a', 'b', 'c']);
        const mixed = await Promise.all([step('d', () => 1), step('e', () => step('f', () => 2))]);
        expect(mixed).to.deep.equal([1, 2]);
      },
    });
    expect(outcome.counts).to.deep.equal({ total: 6, done: 6, failed: 0, cancelled: 0, skipped: 0 });
  });
});

describe('ctx.step: the key of the running step', () => {
  it('is readable as `step.key` and as a tool of the step, and undefined outside of steps', async () => {
    const seen: unknown[] = [];
    await runScripted({
      run: async ({ step }) => {
        const helper = async () => {
          await Promise.resolve();
          seen.push(step.key);
        };
        await helper();
        await step('a', async ({ key }) => {
          seen.push(key);
          await helper();
        });
        await helper();
      },
    });
    expect(seen).to.deep.equal([undefined, 'a', 'a', undefined]);
  });

  it('differs between steps and items that run at the same time', async () => {
    const seen: Record<string, unknown> = {};
    await runScripted({
      run: async ({ step, batch }) => {
        const work = (name: string) => async () => {
          await new Promise((resolve) => setImmediate(resolve));
          seen[name] = step.key;
        };
        await Promise.all(['a', 'b'].map((key) => step(key, work(key))));
        await batch('pages', ['1', '2'], (item) => work(item)(), { key: String });
      },
    });
    expect(seen).to.deep.equal({ a: 'a', b: 'b', 1: 'pages/1', 2: 'pages/2' });
  });
});

describe('ctx.step: work that was not awaited', () => {
  it('fails the run if `run` returns while a step still runs, and names the step', async () => {
    const end = Promise.withResolvers<number>();
    const { outcome, code } = await runScripted({
      run: ({ step }) => {
        void step('forgotten', () => end.promise);
      },
    });
    end.resolve(1);
    expect(outcome).to.include({ status: 'failed' });
    expect(code).to.equal('action-error');
    expect(outcome.error?.message).to.contain('"forgotten"').and.contain('await');
    expect(outcome.counts).to.deep.equal({ total: 1, done: 0, failed: 0, cancelled: 1, skipped: 0 });
  });

  it('fails the run if `run` returns while a batch still runs', async () => {
    const end = Promise.withResolvers<number>();
    const { outcome, code } = await runScripted({
      run: ({ batch }) => {
        void batch('forgotten', ['x', 'y'], () => end.promise, { key: (item) => item, concurrency: 1 });
      },
    });
    end.resolve(1);
    expect(code).to.equal('action-error');
    expect(outcome.counts).to.include({ total: 2, cancelled: 2 });
  });

  it('stores nothing of a step that ends after the run', async () => {
    const end = Promise.withResolvers<void>();
    let late: Promise<unknown> = Promise.resolve();
    const { outcome } = await runScripted({
      run: async ({ step }) => {
        late = step('late', () => end.promise).catch((error: unknown) => error);
        throw new Error('first failure');
      },
    });
    end.resolve();
    expect(await late).to.be.instanceOf(Error);
    expect(outcome.error?.message).to.equal('first failure');
    expect(outcome.counts).to.deep.equal({ total: 1, done: 0, failed: 0, cancelled: 1, skipped: 0 });
  });

  it('leaves no rejection unhandled if a step that is not awaited loses its session', async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown) => void unhandled.push(reason);
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', listener);
    try {
      const { outcome } = await runScripted({
        run: async ({ step, batch }, { entry, die }) => {
          if (entry > 1) return;
          void step('floating', never);
          void batch('floating', ['x'], (_item, { signal }) => once(signal, 'abort'), { key: (item) => item });
          await die();
        },
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).to.deep.equal([]);
      expect(outcome.counts).to.include({ total: 2, cancelled: 2 });
    } finally {
      process.off('unhandledRejection', listener);
      for (const other of others) process.on('unhandledRejection', other);
    }
  });
});
