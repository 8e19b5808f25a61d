import { once } from 'node:events';

import { expect } from 'chai';
import { SessionDeathError, type BatchOutcome } from 'webdriver-supervisor';
import { rejectionOf } from '../../support/rejection.ts';
import { runScripted } from '../../support/scripted-run.ts';

const key = (item: string): string => item;

describe('ctx.batch: each item once', () => {
  it('returns the outcome in input order, for every order of finishing', async () => {
    await runScripted({
      run: async ({ batch }) => {
        const last = Promise.withResolvers<void>();
        const { counts, results, stoppedBy } = await batch(
          'b',
          ['slow', 'skip', 'fail', 'fast'],
          async (item, { skip }) => {
            if (item === 'slow') await last.promise;
            if (item === 'skip') skip('not today');
            if (item === 'fail') throw new Error('broken');
            if (item === 'fast') last.resolve();
            return item.toUpperCase();
          },
          { key },
        );
        expect(counts).to.deep.equal({ total: 4, done: 2, failed: 1, cancelled: 0, skipped: 1 });
        expect(stoppedBy).to.equal(null);
        expect(results.map((result) => [result.key, result.status])).to.deep.equal([
          ['slow', 'done'],
          ['skip', 'skipped'],
          ['fail', 'failed'],
          ['fast', 'done'],
        ]);
        expect(results[0]).to.deep.equal({ key: 'slow', status: 'done', value: 'SLOW' });
        expect(results[1]).to.deep.equal({ key: 'skip', status: 'skipped', reason: 'not today' });
      },
    }).then(({ outcome }) => {
      expect(outcome).to.include({ status: 'partial', error: null });
      expect(outcome.counts).to.deep.equal({ total: 4, done: 2, failed: 1, cancelled: 0, skipped: 1 });
    });
  });

  it('returns the stored ends of items on re-entry, also of failed and skipped ones, and does not do them again', async () => {
    const worked: string[] = [];
    const outcomes: BatchOutcome<unknown>[] = [];
    const failure = new Error('broken');
    const { outcome } = await runScripted({
      run: async ({ batch }, { entry, die }) => {
        const settled = await batch(
          'b',
          ['done', 'failed', 'skipped'],
          (item, { skip }) => {
            worked.push(item);
            if (item === 'failed') throw failure;
            if (item === 'skipped') skip('why not');
            return { item };
          },
          { key },
        );
        outcomes.push(settled);
        if (entry === 1) await die();
      },
    });
    expect(worked).to.deep.equal(['done', 'failed', 'skipped']);
    expect(outcomes[1]).to.deep.equal(outcomes[0]);
    expect(outcomes[1]?.results[0]).not.to.equal(outcomes[0]?.results[0]);
    expect(outcome.counts).to.deep.equal({ total: 3, done: 1, failed: 1, cancelled: 0, skipped: 1 });
  });

  it('stores an item as skipped without its records, also if its worker catches the error of `skip`', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        await batch(
          'b',
          ['x'],
          (_item, { skip, save }) => {
            save({}, { key: 'dropped' });
            try {
              skip('caught');
            } catch {
              // The item is skipped all the same.
            }
          },
          { key },
        );
      },
    });
    expect(outcome).to.include({ status: 'completed', records: 0 });
    expect(outcome.counts).to.include({ total: 1, skipped: 1 });
  });

  it('shows failed and skipped items as such while the batch still runs', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }, { run }) => {
        await batch(
          'b',
          ['fails', 'skipped', 'looks'],
          async (item, { skip }) => {
            if (item === 'fails') throw new Error('broken');
            if (item === 'skipped') skip('no');
            expect(run.progress.counts).to.deep.equal({
              total: 3,
              queued: 0,
              running: 1,
              done: 0,
              failed: 1,
              cancelled: 0,
              skipped: 1,
            });
          },
          { key, concurrency: 1 },
        );
      },
    });
    expect(outcome.counts).to.include({ done: 1, failed: 1, skipped: 1 });
  });

  it('tries a failing item again up to `retries` times, and does not count deaths as retries', async () => {
    const attempts: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch }, { entry, die }) => {
        await batch(
          'b',
          ['a', 'b'],
          async (item, { attempt, save }) => {
            attempts.push(`${item}${attempt}`);
            save({ attempt }, { key: `${item} attempt ${attempt}` });
            if (entry === 1) await die();
            if (item === 'a' && attempt === 1) throw new Error('once');
          },
          { key, retries: 1, concurrency: 1 },
        );
      },
    });
    expect(attempts).to.deep.equal(['a1', 'a1', 'a2', 'b1']);
    expect(outcome).to.include({ status: 'completed', records: 2 });
  });

  it('stores the failure of an item that failed before the session died in the same batch', async () => {
    const worked: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch }, { entry, die }) => {
        const { results } = await batch(
          'b',
          ['fails', 'dies'],
          async (item) => {
            worked.push(item);
            if (item === 'fails') throw new Error('broken before the death');
            if (entry === 1) await die();
          },
          { key, concurrency: 1 },
        );
        expect(results.map(({ status }) => status)).to.deep.equal(['failed', 'done']);
      },
    });
    expect(worked).to.deep.equal(['fails', 'dies', 'dies']);
    expect(outcome).to.include({ status: 'partial', error: null });
  });

  it('cancels the other items if an item breaks a rule, and does not fail them', async () => {
    const { outcome, code } = await runScripted({
      run: async ({ batch, save }) => {
        await batch(
          'b',
          ['bad', 'sibling', 'queued'],
          async (item, { signal }) => {
            if (item === 'bad') await save({}, { key: 'x' });
            await once(signal, 'abort');
          },
          { key, concurrency: 2 },
        );
      },
    });
    expect(code).to.equal('action-error');
    expect(outcome.counts).to.deep.equal({ total: 3, done: 0, failed: 1, cancelled: 2, skipped: 0 });
  });

  it('gives up an item during which three sessions died, also if it has retries left, and continues the batch', async () => {
    let begun = 0;
    const { outcome } = await runScripted({
      run: async ({ batch }, { die }) => {
        const { results } = await batch(
          'b',
          ['bad', 'good'],
          async (item) => {
            if (item === 'good') return;
            begun += 1;
            await die();
          },
          { key, concurrency: 1, retries: 2 },
        );
        expect(results.map(({ status }) => status)).to.deep.equal(['failed', 'done']);
        expect(results[0]).to.have.nested.property('error.code', 'step-poisoned');
      },
    });
    expect(begun).to.equal(3);
    expect(outcome).to.include({ status: 'partial', error: null, sessions: 4 });
  });

  it('does not give up an item after three deaths that it shared with other items', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }, { entry, die, supervisors }) => {
        await batch(
          'b',
          ['killer', 'neighbour'],
          async (item, { signal }) => {
            if (entry > 3) return;
            if (item === 'killer') await die(supervisors[0]);
            else await once(signal, 'abort');
          },
          { key, concurrency: 2 },
        );
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 4 });
    expect(outcome.counts).to.include({ total: 2, done: 2, failed: 0 });
  });
});

describe('ctx.batch: death', () => {
  it('rejects on a death with a SessionDeathError that has `.death` and the outcome so far as `.outcome` (R105)', async () => {
    let received: (SessionDeathError & { outcome?: BatchOutcome<unknown> }) | undefined;
    const { outcome } = await runScripted({
      run: async ({ batch }, { entry, die }) => {
        if (entry > 1) return;
        received = (await rejectionOf(
          batch(
            'b',
            ['done', 'dies', 'queued'],
            async (item) => {
              if (item === 'dies') await die();
              return item;
            },
            { key, concurrency: 1 },
          ),
        )) as SessionDeathError;
      },
    });
    expect(received).to.be.instanceOf(SessionDeathError);
    expect(received).to.have.property('name', 'SessionDeathError');
    expect(received!.death).to.equal(outcome.deaths[0]);
    expect(received!.outcome?.counts).to.deep.equal({ total: 3, done: 1, failed: 0, cancelled: 2, skipped: 0 });
    expect(received!.outcome?.results.map(({ status }) => status)).to.deep.equal(['done', 'cancelled', 'cancelled']);
    expect(outcome.counts).to.deep.equal({ total: 3, done: 1, failed: 0, cancelled: 2, skipped: 0 });
  });

  it('does interrupted items again after a death, and finished ones not', async () => {
    const worked: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch }, { entry, die }) => {
        const { results } = await batch(
          'b',
          ['a', 'b', 'c'],
          async (item, { save }) => {
            worked.push(item);
            save({ item, entry }, { key: item });
            if (entry === 1 && item === 'b') await die();
            return item;
          },
          { key, concurrency: 1 },
        );
        expect(results.map((result) => result.status === 'done' && result.value)).to.deep.equal(['a', 'b', 'c']);
      },
    });
    expect(worked).to.deep.equal(['a', 'b', 'b', 'c']);
    expect(outcome).to.include({ status: 'completed', records: 3 });
  });

  it('discards an item whose session died, also if its worker catches the error', async () => {
    const values: unknown[] = [];
    await runScripted({
      run: async ({ batch }, { entry, die }) => {
        const { results } = await batch(
          'b',
          ['x'],
          async () => {
            if (entry === 1) await die();
            return entry;
          },
          { key },
        );
        values.push(results[0]);
      },
    });
    expect(values).to.deep.equal([{ key: 'x', status: 'done', value: 2 }]);
  });

  it('does not let an abandoned worker save, commit or add after `run` is entered again', async () => {
    const received: Error[] = [];
    const left = Promise.withResolvers<void>();
    const { outcome, warnings } = await runScripted({
      run: async ({ batch }, { entry, die }) => {
        const settled = batch(
          'b',
          ['x'],
          async (_item, { save, add }) => {
            if (entry > 1) {
              left.resolve();
              return 'second';
            }
            await die();
            await left.promise;
            for (const late of [() => save({}, { key: 'late' }), () => add('late')]) {
              try {
                late();
              } catch (error) {
                received.push(error as Error);
              }
            }
            return 'first';
          },
          { key },
        );
        expect((await settled).results).to.deep.equal([{ key: 'x', status: 'done', value: 'second' }]);
      },
    });
    expect(received).to.have.length(2);
    expect(received[0]).to.be.instanceOf(SessionDeathError);
    expect(outcome).to.include({ status: 'completed', records: 0, error: null });
    expect(outcome.counts).to.deep.equal({ total: 1, done: 1, failed: 0, cancelled: 0, skipped: 0 });
    expect(warnings.map(({ message }) => message).join()).to.contain('ignored their signal');
  }).timeout(10_000);
});
