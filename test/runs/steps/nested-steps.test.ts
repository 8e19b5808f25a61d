import { expect } from 'chai';
import { CancelledError, type ActionContext } from 'webdriver-supervisor';

import { rejectionOf } from '../../support/rejection.ts';
import { runScripted } from '../../support/scripted-run.ts';

const key = (item: string) => item;

describe('A step that contains steps and batches', () => {
  it('replays its finished parts when it is done again, and runs the code between them again', async () => {
    const works: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ step, batch }, { entry, die }) => {
        const value = await step('page 1', async ({ save }) => {
          works.push(`outer ${entry}`);
          const ids = await step('ids', () => {
            works.push('ids');
            return ['a', 'b'];
          });
          works.push(`between ${entry}`);
          const { results } = await batch('details', ids, (id) => void works.push(id), { key });
          if (entry === 1) await die();
          save({ ids, count: results.length }, { key: 'page 1' });
          return ids.length;
        });
        expect(value).to.equal(2);
      },
    });
    expect(outcome).to.include({ status: 'completed', records: 1, error: null });
    expect(works).to.deep.equal(['outer 1', 'ids', 'between 1', 'a', 'b', 'outer 2', 'between 2']);
    expect(outcome.counts).to.deep.equal({ total: 4, done: 4, failed: 0, cancelled: 0, skipped: 0 });
  });

  it('is not entered again when it is finished, without a warning about its parts', async () => {
    const works: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ step }, { entry, die }) => {
        await step('outer', () => step('inner', () => works.push('inner')));
        if (entry === 1) await die();
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(outcome.warnings).to.deep.equal([]);
    expect(works).to.deep.equal(['inner']);
  });

  it('separates the keys of its parts from those of other steps', async () => {
    const values: unknown[] = [];
    const { outcome } = await runScripted({
      run: async ({ step, batch }, { entry, die }) => {
        for (const product of ['a', 'b']) {
          await step(product, async () => {
            values.push(await step('reviews', () => `${product}, entry ${entry}`));
            await batch('pictures', ['1'], () => product, { key });
          });
          if (entry === 1 && product === 'a') await die();
        }
        values.push(await step('reviews', () => 'of none'));
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(values).to.deep.equal(['a, entry 1', 'b, entry 2', 'of none']);
    expect(outcome.counts).to.include({ total: 7, done: 7 });
  });

  it('uses the results of finished parts when it is retried, and does failed parts again', async () => {
    const works: string[] = [];
    const { outcome } = await runScripted({
      run: ({ step }) =>
        step(
          'outer',
          async ({ attempt }) => {
            await step('good', () => works.push(`good ${attempt}`));
            await step('bad', () => {
              works.push(`bad ${attempt}`);
              if (attempt === 1) throw new Error('not yet');
            });
          },
          { retries: 1 },
        ),
    });
    expect(outcome).to.include({ status: 'completed' });
    expect(works).to.deep.equal(['good 1', 'bad 1', 'bad 2']);
    expect(outcome.counts).to.deep.equal({ total: 3, done: 3, failed: 0, cancelled: 0, skipped: 0 });
  });

  it('is not given up for the deaths of its parts, because each counts against the innermost open step', async () => {
    let outerEntries = 0;
    const seen = new Set<string>();
    const { outcome } = await runScripted({
      options: { supervisor: { restartLimit: { limit: 20, windowMs: 600_000 } } },
      run: ({ step }, { die }) =>
        step('outer', async () => {
          outerEntries += 1;
          for (const part of ['1', '2', '3', '4']) {
            let dies = false;
            await step(`part ${part}`, async () => {
              dies = !seen.has(part);
              seen.add(part);
              if (dies) await die();
            });
          }
        }),
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(outcome.deaths).to.have.length(4);
    expect(outerEntries).to.equal(5);
  });

  it('is counted in addition to its parts, but not in the progress display while it has parts', async () => {
    const seen: unknown[] = [];
    const { outcome } = await runScripted({
      run: async ({ step, batch }, { run }) => {
        await step('page', async () => {
          seen.push(run.progress.units);
          await batch('items', ['a', 'b'], () => undefined, { key });
          seen.push(run.progress.units);
        });
        seen.push(run.progress.units);
      },
    });
    expect(seen).to.deep.equal([
      { done: 0, total: 1 },
      { done: 2, total: 2 },
      { done: 2, total: 2 },
    ]);
    expect(outcome.counts).to.include({ total: 3, done: 3 });
  });

  it('fails if its part fails, and both are counted', async () => {
    const { outcome } = await runScripted({
      run: async ({ step }) => {
        const error = await rejectionOf(
          step('outer', () =>
            step('inner', () => {
              throw new Error('sold out');
            }),
          ),
        );
        expect(error.message).to.equal('sold out');
      },
    });
    expect(outcome.counts).to.include({ total: 2, failed: 2 });
  });

  it('is cancelled together with its parts', async () => {
    const stop = new AbortController();
    const { outcome } = await runScripted({
      options: { signal: stop.signal },
      run: ({ step }) =>
        step('outer', () =>
          step('inner', async ({ signal }) => {
            stop.abort(new CancelledError());
            await rejectionOf(Promise.reject(signal.reason as Error));
          }),
        ),
    });
    expect(outcome).to.include({ status: 'cancelled' });
    expect(outcome.counts).to.deep.equal({ total: 2, done: 0, failed: 0, cancelled: 2, skipped: 0 });
  });
});

describe('A part of a step that is not awaited', () => {
  it('fails the step around it, and the error names the part', async () => {
    const saved: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ step }) => {
        const ended = Promise.withResolvers<void>();
        const failure = await rejectionOf(
          step('outer', async () => {
            void step('inner', async ({ save }) => {
              await ended.promise;
              save({ text: 'late' }, { key: 'late' });
              saved.push('late');
            }).catch(() => undefined);
            await Promise.resolve();
          }).finally(() => ended.resolve()),
        );
        throw failure;
      },
    });
    expect(outcome).to.include({ status: 'failed', records: 0 });
    expect(outcome.error?.message).to.equal(
      'The step "outer" ended while the step "inner" was not finished. Put `await` before it.',
    );
    expect(outcome.counts).to.deep.equal({ total: 2, done: 0, failed: 1, cancelled: 1, skipped: 0 });
    expect(saved).to.deep.equal([]);
  });

  it('fails the step around it also if the part is a batch', async () => {
    const { outcome } = await runScripted({
      run: ({ step, batch }) =>
        step('outer', () => {
          void batch('details', ['a', 'b'], () => Promise.resolve(), { key }).catch(() => undefined);
        }),
    });
    expect(outcome.error?.message).to.match(/^The step "outer" ended while the batch "details" was not finished\./);
  });

  it('ends before its step is tried again, and is not done a second time', async () => {
    const works: string[] = [];
    const { outcome } = await runScripted({
      run: ({ step }) =>
        step(
          'outer',
          async ({ attempt }) => {
            await Promise.all([
              step('slow', async () => {
                works.push('slow begins');
                await new Promise((resolve) => setTimeout(resolve, 20));
                works.push('slow ends');
              }),
              step('bad', () => {
                works.push(`bad ${attempt}`);
                if (attempt === 1) throw new Error('not yet');
              }),
            ]);
          },
          { retries: 1 },
        ),
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(works).to.deep.equal(['slow begins', 'bad 1', 'slow ends', 'bad 2']);
  });

  it('is ended with its step if the step takes longer than its `timeoutMs`', async () => {
    const { outcome } = await runScripted({
      run: async ({ step, batch }) => {
        const failure = await rejectionOf(
          step(
            'outer',
            async () => {
              await step('inner', ({ signal }) =>
                Promise.all([
                  batch('details', ['a', 'b'], () => new Promise(() => undefined), { key, concurrency: 1 }),
                  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
                ]),
              );
            },
            { timeoutMs: 50 },
          ),
        );
        expect(failure).to.have.property('code', 'step-timed-out');
        await step('next', () => 1);
      },
    });
    expect(outcome.error?.message).to.equal(undefined);
    expect(outcome.counts).to.deep.equal({ total: 5, done: 1, failed: 1, cancelled: 3, skipped: 0 });
  });
});

describe('A window that a step and its parts use', () => {
  const pages = (ctx: ActionContext, name: string) =>
    ctx.step(name, async () => {
      await ctx.driver.get(`http://shop.test/${name}`);
      return ctx.driver.getTitle();
    });

  it('is refused to a step whose part uses it and is not awaited', async () => {
    const { outcome } = await runScripted({
      run: (ctx) =>
        ctx.step('outer', async () => {
          const inner = pages(ctx, 'inner');
          await ctx.driver.get('http://shop.test/list');
          await ctx.driver.getTitle();
          await inner;
        }),
    });
    expect(outcome).to.include({ status: 'failed' });
    expect(outcome.error).to.include({ code: 'window-shared' });
    expect(outcome.error?.message).to.match(/Put `await` before each step and batch/);
  });

  it('is refused also if the part has ended when the step continues', async () => {
    const { outcome } = await runScripted({
      run: (ctx) =>
        ctx.step('outer', async () => {
          const inner = pages(ctx, 'inner');
          await Promise.all([inner, ctx.driver.get('http://shop.test/list')]);
          await ctx.driver.getTitle();
        }),
    });
    expect(outcome.error).to.include({ code: 'window-shared' });
  });

  it('is refused to a part that begins to use it after the step has continued', async () => {
    const { outcome } = await runScripted({
      run: (ctx) =>
        ctx.step('outer', async () => {
          const gate = Promise.withResolvers<void>();
          const inner = ctx.step('inner', async () => {
            await gate.promise;
            return ctx.driver.get('http://shop.test/item');
          });
          await ctx.driver.get('http://shop.test/list');
          gate.resolve();
          await inner;
        }),
    });
    expect(outcome.error).to.include({ code: 'window-shared' });
    expect(outcome.error?.message).to.match(
      /^The step "inner" sent a command to the window that the step "outer" was using/,
    );
  });

  it('is used in turns without a refusal: before, in and after an awaited part', async () => {
    const { outcome } = await runScripted({
      run: (ctx) =>
        ctx.step('outer', async () => {
          await ctx.driver.get('http://shop.test/list');
          await pages(ctx, 'inner');
          await ctx.driver.getTitle();
          await ctx.step('deeper', () => pages(ctx, 'deepest'));
          await ctx.batch('items', ['a'], () => ctx.driver.getTitle(), { key, concurrency: 1 });
          await ctx.driver.getTitle();
        }),
    });
    expect(outcome).to.include({ status: 'completed', error: null });
  });

  it('is not refused to a step while a part runs that uses no window', async () => {
    const { outcome } = await runScripted({
      run: (ctx) =>
        ctx.step('outer', async () => {
          const details = ctx.batch('details', ['a', 'b'], (id) => id, { key });
          await ctx.driver.get('http://shop.test/list');
          await details;
        }),
    });
    expect(outcome).to.include({ status: 'completed', error: null });
  });

  it('is refused to code outside of steps that navigates while a step uses the window, but not to code that only reads', async () => {
    const blind = await runScripted({
      run: async (ctx) => {
        const first = pages(ctx, 'first');
        await ctx.driver.getTitle();
        await first;
      },
    });
    expect(blind.outcome).to.include({ status: 'completed', error: null });
    const { outcome } = await runScripted({
      run: async (ctx, { server }) => {
        const first = pages(ctx, 'first');
        await server.waitForRequest('POST /url');
        const refusal = await rejectionOf(ctx.driver.get('http://shop.test/other'));
        expect(refusal).to.have.property('code', 'window-shared');
        await first;
      },
    });
    expect(outcome.error).to.include({ code: 'window-shared' });
    expect(outcome.error?.message).to.match(
      /^The code of `run` outside of steps sent a command to the window that the step "first"/,
    );
  });
});
