import { expect } from 'chai';
import { openRegistry, StepTimedOutError } from 'webdriver-supervisor';
import { openFaultSite, type FaultSite } from 'webdriver-supervisor/testing';

import { MEMORY_REGISTRY_URL } from '../../../src/registry/registry.ts';
import { rejectionOf } from '../../support/rejection.ts';
import { never, runScripted } from '../../support/scripted-run.ts';

describe('A step that was interrupted', () => {
  it('is given `interrupted`, and is asked whether its work has happened before it is done again', async () => {
    const works: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ step }, { entry, die }) => {
        const value = await step(
          'order',
          async ({ interrupted, attempt, key }) => {
            works.push(`${key}: attempt ${attempt}, interrupted ${interrupted}`);
            await die();
            return 'from the work';
          },
          { whenInterrupted: ({ interrupted }) => (interrupted && entry === 2 ? 'it had happened' : undefined) },
        );
        expect(value).to.equal('it had happened');
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(works).to.deep.equal(['order: attempt 1, interrupted false']);
  });

  it('is done again if the answer is undefined', async () => {
    const works: boolean[] = [];
    const { outcome } = await runScripted({
      run: ({ step }, { entry, die }) =>
        step(
          'order',
          async ({ interrupted }) => {
            works.push(interrupted);
            if (entry === 1) await die();
          },
          { whenInterrupted: () => undefined },
        ),
    });
    expect(outcome.status).to.equal('completed');
    expect(works).to.deep.equal([false, true]);
  });

  it('is interrupted also for a later process', async () => {
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const stop = new AbortController();
    const first = await runScripted({
      options: { registry, signal: stop.signal },
      run: ({ step }) =>
        step('order', ({ signal }) => {
          stop.abort();
          signal.throwIfAborted();
        }),
    });
    const received: boolean[] = [];
    await runScripted({
      options: { registry, resume: first.outcome.runId },
      run: ({ step }) => step('order', ({ interrupted }) => void received.push(interrupted)),
    });
    expect(received).to.deep.equal([true]);
  });

  it('is not interrupted after it failed', async () => {
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const first = await runScripted({
      options: { registry },
      run: ({ step }) =>
        step('order', () => {
          throw new Error('no');
        }),
    });
    const received: boolean[] = [];
    await runScripted({
      options: { registry, resume: first.outcome.runId },
      run: ({ step }) => step('order', ({ interrupted }) => void received.push(interrupted)),
    });
    expect(received).to.deep.equal([false]);
  });
});

describe('An effect that is repeated', () => {
  let site: FaultSite;
  before(async () => {
    site = await openFaultSite();
  });
  after(() => site.close());

  const order = (method: string, whenInterrupted?: () => undefined) =>
    runScripted({
      baseUrl: site.url,
      run: ({ step, api }, { entry, die }) =>
        step(
          'order',
          async () => {
            await api.json('/echo', { method });
            if (entry === 1) await die();
          },
          whenInterrupted === undefined ? {} : { whenInterrupted },
        ),
    });

  it('is named in the outcome, for a POST by the API in a step that was interrupted and done again', async () => {
    const { outcome } = await order('POST');
    expect(outcome).to.include({ status: 'completed' });
    expect(outcome.repeatedEffects).to.deep.equal(['The step "order"']);
  });

  it('is named also for an item of a batch', async () => {
    const { outcome } = await runScripted({
      baseUrl: site.url,
      run: ({ batch }, { entry, die }) =>
        batch(
          'orders',
          ['a'],
          async (_item, { api }) => {
            await api.json('/echo', { method: 'POST' });
            if (entry === 1) await die();
          },
          { key: String },
        ).then(() => undefined),
    });
    expect(outcome.repeatedEffects).to.deep.equal(['The item "a" of batch "orders"']);
  });

  it('is not named for a request that may be repeated', async () => {
    expect((await order('PUT')).outcome.repeatedEffects).to.deep.equal([]);
  });

  it('is not named if the step has `whenInterrupted`', async () => {
    expect((await order('POST', () => undefined)).outcome.repeatedEffects).to.deep.equal([]);
  });
});

describe('The timeoutMs of a step', () => {
  it('fails the step, aborts its signal, and drops its later results', async () => {
    const late = Promise.withResolvers<void>();
    const received: unknown[] = [];
    const { outcome } = await runScripted({
      run: async ({ step }) => {
        const error = await rejectionOf(
          step(
            'slow',
            async ({ signal, save }) => {
              signal.addEventListener('abort', () => received.push(signal.reason));
              late.resolve(never().catch(() => save({}, { key: 'late' })));
              await never();
            },
            { timeoutMs: 20 },
          ),
        );
        expect(error).to.be.instanceOf(StepTimedOutError);
        expect(error.message).to.contain('The step "slow" took longer than');
        await step('next', () => undefined);
      },
    });
    expect(received[0]).to.be.instanceOf(StepTimedOutError);
    expect(outcome).to.include({ status: 'partial', records: 0 });
    expect(outcome.counts).to.include({ failed: 1, done: 1 });
  });

  for (const timeoutMs of [0, -1, Number.NaN, 2 ** 31]) {
    it(`refuses ${timeoutMs}`, async () => {
      const { code } = await runScripted({ run: ({ step }) => step('a', () => undefined, { timeoutMs }) });
      expect(code).to.equal('action-error');
    });
  }
});

describe('ctx.save that is not awaited', () => {
  it('fails the run if it is refused, and names the record and the line', async () => {
    const { outcome, code } = await runScripted({
      run: async ({ save, step }) => {
        void save({ bad: () => undefined }, { key: 'lost' });
        await step('next', () => undefined);
      },
    });
    expect(outcome.status).to.equal('failed');
    expect(code).to.equal('action-error');
    expect(outcome.error?.message).to.contain('The record "lost" was not saved');
    expect(outcome.error?.message).to.match(/test\/runs\/steps\/interrupted\.test\.ts:\d+:\d+/);
  });

  it('fails the run also if the action ignores the refusal', async () => {
    const { outcome } = await runScripted({
      run: async ({ save }) => {
        await save({ bad: () => undefined }, { key: 'x' }).catch(() => undefined);
      },
    });
    expect(outcome.status).to.equal('failed');
    expect(outcome.error?.message).to.contain('or its failure is ignored');
  });

  it('does not fail the run if the action handles the refusal', async () => {
    const { outcome } = await runScripted({
      run: async ({ save }) => {
        expect((await rejectionOf(save({ bad: 1n }, { key: 'y' }))).message).to.contain('bad');
      },
    });
    expect(outcome.status).to.equal('completed');
  });
});
