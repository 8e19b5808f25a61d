import { expect } from 'chai';
import { ActionError, SessionDeathError } from 'webdriver-supervisor';
import { rejectionOf } from '../../support/rejection.ts';
import { never, runScripted } from '../../support/scripted-run.ts';

describe('ctx.step: done once', () => {
  it('returns the stored value on re-entry without running the step again', async () => {
    const works: string[] = [];
    const values: unknown[] = [];
    const { outcome, entries } = await runScripted({
      run: async ({ step }, { entry, die }) => {
        values.push(await step('a', () => ({ from: works.push('a') })));
        if (entry === 1) await die();
        values.push(await step('b', () => works.push('b')));
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 2, error: null });
    expect(outcome.counts).to.deep.equal({ total: 2, done: 2, failed: 0, cancelled: 0, skipped: 0 });
    expect(entries).to.equal(2);
    expect(works).to.deep.equal(['a', 'b']);
    expect(values).to.deep.equal([{ from: 1 }, { from: 1 }, 2]);
  });

  it('returns a parsed copy also the first time, so that a change of it changes no stored value', async () => {
    const source = { list: [1], left: undefined };
    await runScripted({
      run: async ({ step }, { entry, die }) => {
        const value = await step('a', () => source);
        expect(value).not.to.equal(source);
        expect(value).to.deep.equal({ list: [1] });
        value.list.push(2);
        source.list.push(3);
        if (entry === 1) await die();
      },
    });
    expect(source.list).to.deep.equal([1, 3, 3]);
  });

  it('stores undefined as undefined', async () => {
    const values: unknown[] = [];
    await runScripted({
      run: async ({ step }, { entry, die }) => {
        values.push(await step('nothing', () => undefined));
        if (entry === 1) await die();
      },
    });
    expect(values).to.deep.equal([undefined, undefined]);
  });

  it('rethrows a stored failure on re-entry in the same process without running the step again', async () => {
    const failure = new Error('sold out');
    let works = 0;
    const received: unknown[] = [];
    const { outcome } = await runScripted({
      run: async ({ step }, { entry, die }) => {
        received.push(
          await rejectionOf(
            step('a', () => {
              works += 1;
              throw failure;
            }),
          ),
        );
        if (entry === 1) await die();
      },
    });
    expect(works).to.equal(1);
    expect(received).to.deep.equal([failure, failure]);
    expect(outcome).to.include({ status: 'partial', error: null });
    expect(outcome.counts).to.include({ total: 1, failed: 1 });
  });

  it('tries a failing step again up to `retries` times, and passes the number of the attempt on', async () => {
    const attempts: number[] = [];
    const { outcome } = await runScripted({
      run: async ({ step }) => {
        await step(
          'a',
          ({ attempt }) => {
            attempts.push(attempt);
            if (attempt === 1) throw new TypeError('not yet');
          },
          { retries: 1 },
        );
      },
    });
    expect(attempts).to.deep.equal([1, 2]);
    expect(outcome.counts).to.include({ total: 1, done: 1 });
  });

  it('refuses retries that are not a whole number before it runs anything', async () => {
    const { outcome, code } = await runScripted({ run: ({ step }) => step('a', never, { retries: -1 }) });
    expect(code).to.equal('action-error');
    expect(outcome.error?.message).to.contain('retries');
    expect(outcome.counts.total).to.equal(0);
  });

  it('does not count deaths as retries of a step', async () => {
    const attempts: number[] = [];
    const { outcome } = await runScripted({
      run: async ({ step }, { entry, die }) => {
        await step(
          'a',
          async ({ attempt }) => {
            attempts.push(attempt);
            if (entry === 1) await die();
            if (attempt === 1) throw new Error('an ordinary failure');
          },
          { retries: 1 },
        );
      },
    });
    expect(attempts).to.deep.equal([1, 1, 2]);
    expect(outcome).to.include({ status: 'completed' });
  });

  it('stores the value of a step that ends its own session, and completes when `run` returns after driver.quit()', async () => {
    const { outcome, left } = await runScripted({
      run: async ({ driver, step }) => {
        expect(
          await step('last', async () => {
            await driver.quit();
            return 'bye';
          }),
        ).to.equal('bye');
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null, sessions: 1 });
    expect(outcome.deaths).to.deep.equal([]);
    expect(outcome.counts).to.include({ total: 1, done: 1 });
    expect(left).to.equal(0);
  });

  it('fails a step during which three sessions died with code step-poisoned, and the run continues', async () => {
    let begun = 0;
    const { outcome } = await runScripted({
      run: async ({ step }, { die }) => {
        const received = await step('bad page', () => {
          begun += 1;
          return die();
        }).catch((error: unknown) => error);
        expect(received).to.include({ code: 'step-poisoned' });
        expect((received as Error).message).to.contain('"bad page"');
        await step('good page', () => 1);
      },
    });
    expect(begun).to.equal(3);
    expect(outcome).to.include({ status: 'partial', sessions: 4, error: null });
    expect(outcome.counts).to.deep.equal({ total: 2, done: 1, failed: 1, cancelled: 0, skipped: 0 });
  });

  it('counts the deaths during a step and elsewhere, even if listeners and callbacks throw', async () => {
    let begun = 0;
    const { outcome } = await runScripted({
      options: {
        onSession: (supervisor) => {
          const dispose = supervisor.on('session:dead', () => {
            dispose();
            throw new Error('a listener that throws');
          });
          supervisor.on('session:dead', () => void supervisor.driver.getTitle().catch(() => undefined));
        },
        supervisor: { restartLimit: { limit: 10, windowMs: 60_000, firstBackoffMs: 0 } },
        onDeath: () => {
          throw new Error('a callback that throws');
        },
      },
      run: async ({ step }, { entry, die }) => {
        if (entry === 1) await die();
        await step('bad page', () => {
          begun += 1;
          return die();
        }).catch((error: unknown) => expect(error).to.include({ code: 'step-poisoned' }));
      },
    });
    expect(begun, 'the limit is one higher because of the death outside of the step').to.equal(4);
    expect(outcome.deaths).to.have.length(5);
    expect(outcome).to.include({ status: 'partial', sessions: 6, error: null });
  });
});

describe('ctx.step: fenced by its session', () => {
  it('discards a step whose session died, also if its callback catches the error', async () => {
    const works: number[] = [];
    const { outcome } = await runScripted({
      run: async ({ step }, { entry, die }) => {
        await step('a', async ({ save }) => {
          works.push(entry);
          save({ entry }, { key: 'before' });
          if (entry === 1) await die();
          return entry;
        });
      },
    });
    expect(works).to.deep.equal([1, 2]);
    expect(outcome).to.include({ status: 'completed', records: 1 });
    expect(outcome.counts).to.include({ total: 1, done: 1 });
  });

  it('refuses the save of a step after the death of its session, with that death', async () => {
    let received: unknown;
    await runScripted({
      run: async ({ step }, { entry, die }) => {
        await step('a', async ({ save }) => {
          if (entry > 1) return;
          await die();
          try {
            save({}, { key: 'late' });
          } catch (error) {
            received = error;
          }
        });
      },
    });
    expect(received).to.be.instanceOf(SessionDeathError);
  });

  it('refuses step, batch, save and progress on a dead session, with that death', async () => {
    const received: unknown[] = [];
    await runScripted({
      run: async ({ step, batch, save, progress }, { entry, die, supervisors }) => {
        if (entry > 1) return;
        await die();
        received.push(
          await rejectionOf(step('a', () => 1)),
          await rejectionOf(batch('b', ['x'], () => 1, { key: (item) => item })),
          await rejectionOf(save({}, { key: 'c' })),
          await rejectionOf((async () => progress(1, 2))()),
        );
        expect(new Set(received)).to.deep.equal(new Set([supervisors[0]!.signal.reason]));
      },
    });
    expect(received).to.have.length(4);
    expect(received[0]).to.be.instanceOf(SessionDeathError);
  });

  it('ignores the return of `run` on a dead session', async () => {
    const { outcome, entries } = await runScripted({
      run: async (_context, { entry, die }) => {
        if (entry === 1) await die();
      },
    });
    expect(entries).to.equal(2);
    expect(outcome).to.include({ status: 'completed', sessions: 2 });
  });

  it('ignores the error of `run` on a dead session', async () => {
    const { outcome } = await runScripted({
      run: async (_context, { entry, die }) => {
        if (entry > 1) return;
        await die();
        throw new Error('a symptom');
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
  });

  it('never makes the late commit of an abandoned earlier entry of `run`', async () => {
    const late = Promise.withResolvers<void>();
    const finished = Promise.withResolvers<unknown>();
    const { outcome } = await runScripted({
      run: async ({ step }, { entry, die }) => {
        const work = step('a', async ({ save }) => {
          if (entry > 1) {
            late.resolve();
            await finished.promise;
            return 'second';
          }
          await die();
          await late.promise;
          try {
            save({ late: true }, { key: 'late' });
          } finally {
            finished.resolve(undefined);
          }
          return 'first';
        });
        expect(await work).to.equal('second');
      },
    });
    expect(outcome).to.include({ status: 'completed', records: 0 });
    expect(outcome.counts).to.deep.equal({ total: 1, done: 1, failed: 0, cancelled: 0, skipped: 0 });
  });

  it('stores no records of a failed attempt', async () => {
    const { outcome } = await runScripted({
      run: async ({ step }) => {
        await step(
          'a',
          ({ save, attempt }) => {
            save({ attempt }, { key: `attempt ${attempt}` });
            if (attempt === 1) throw new Error('again');
          },
          { retries: 1 },
        );
        await rejectionOf(
          step('b', ({ save }) => {
            save({}, { key: 'never kept' });
            throw new Error('for ever');
          }),
        );
      },
    });
    expect(outcome.records).to.equal(1);
  });

  it('refuses a save after the end of its step', async () => {
    let received: unknown;
    await runScripted({
      run: async ({ step }) => {
        let escaped: (() => void) | undefined;
        await step('a', ({ save }) => {
          escaped = () => save({}, { key: 'late' });
        });
        try {
          escaped!();
        } catch (error) {
          received = error;
        }
      },
    });
    expect(received).to.be.instanceOf(ActionError);
    expect((received as Error).message)
      .to.contain('"late"')
      .and.contain('after its step had ended');
  });
});
