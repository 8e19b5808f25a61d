import { expect } from 'chai';
import { openRegistry } from 'webdriver-supervisor';

import { differOnlyInVolatileParts } from '../../../src/runs/replay/replay.ts';
import { MEMORY_REGISTRY_URL } from '../../../src/registry/registry.ts';
import { runScripted, type ScriptedRun } from '../../support/scripted-run.ts';

const key = (item: string) => item;

/** Returns the error of a run of this action. */
async function ending(run: ScriptedRun['run']) {
  const { outcome, warnings } = await runScripted({ run });
  return { ...outcome, code: outcome.error?.code, message: outcome.error?.message ?? '', log: warnings };
}

describe('A replay that leaves out work', () => {
  it('fails the run if `run` does not ask for a begun step again, and names it and the step instead of it', async () => {
    const { status, code, message } = await ending(async ({ step }, { entry, die }) => {
      await step('list', () => undefined);
      for (const page of entry === 1 ? ['a', 'b'] : ['c']) {
        await step(`page ${page}`, async () => {
          if (page === 'b') await die();
        });
      }
    });
    expect({ status, code }).to.deep.equal({ status: 'failed', code: 'replay-diverged' });
    expect(message).to.contain('The step "page b" was begun and not finished');
    expect(message).to.contain('it asked for the step "page c" instead');
  });

  it('fails the run if `run` does not ask for a begun item again', async () => {
    const { code, message } = await ending(async ({ batch }, { entry, die }) => {
      await batch(
        'pages',
        entry === 1 ? ['a', 'b'] : ['a'],
        async (item) => {
          if (item === 'b') await die();
        },
        { key, concurrency: 1 },
      );
    });
    expect(code).to.equal('replay-diverged');
    expect(message).to.contain('The item "b" of batch "pages"');
  });

  it('can be resumed when the action asks for the same work again', async () => {
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const first = await runScripted({
      options: { registry },
      run: async ({ step }, { entry, die }) => {
        await step(entry === 1 ? 'a' : 'b', async () => {
          if (entry === 1) await die();
        });
      },
    });
    expect(first.code).to.equal('replay-diverged');
    const { outcome } = await runScripted({
      options: { registry, resume: first.outcome.runId },
      run: async ({ step }) => {
        await step('a', () => undefined);
        await step('b', () => undefined);
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
  });

  it('fails a resumed run that does not ask for the step during which the program ended', async () => {
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const stop = new AbortController();
    const first = await runScripted({
      options: { registry, signal: stop.signal },
      run: ({ step }) =>
        step('lost', async ({ signal }) => {
          stop.abort();
          signal.throwIfAborted();
        }),
    });
    expect(first.outcome.status).to.equal('cancelled');
    const second = await runScripted({
      options: { registry, resume: first.outcome.runId },
      run: ({ step }) => step('other', () => undefined),
    });
    expect(second.code).to.equal('replay-diverged');
    expect(second.outcome.error?.message).to.contain('The step "lost"');
  });

  it('warns if `run` does not ask for a finished step again, because nothing is lost', async () => {
    const { status, warnings, log } = await ending(async ({ step }, { entry, die }) => {
      if (entry === 1) await step('only at first', () => undefined);
      await step('always', async () => {
        if (entry === 1) await die();
      });
    });
    expect(status).to.equal('completed');
    expect(warnings).to.deep.equal([
      'The step "only at first" was finished, and `run` did not ask for it when it was entered again. Its records stay stored.',
    ]);
    expect(log.some(({ message }) => message === warnings[0])).to.equal(true);
  });

  it('fails the run if a finished step has another time in its key', async () => {
    const { code, message } = await ending(async ({ step }, { entry, die }) => {
      await step(`prices ${1_790_000_000_000 + entry}`, () => undefined);
      if (entry === 1) await die();
    });
    expect(code).to.equal('replay-diverged');
    expect(message).to.contain('contain a time or a random value');
  });

  it('does not diverge if a step returned the list', async () => {
    const { status, error } = await ending(async ({ step, batch }, { entry, die }) => {
      const list = await step('list', () => (entry === 1 ? ['a', 'b', 'c'] : ['d']));
      await batch('items', list, () => undefined, { key });
      if (entry === 1) await die();
    });
    expect({ status, error }).to.deep.equal({ status: 'completed', error: null });
  });
});

describe('Two steps that save one record key with different content', () => {
  const twice = (dies: boolean): ScriptedRun['run'] =>
    async function ({ step }, { entry, die }) {
      let counter = 0;
      await step('one', ({ save }) => save({ from: 'one' }, { key: String((counter += 1)) }));
      if (dies && entry === 1) await die();
      await step('two', ({ save }) => save({ from: 'two' }, { key: dies ? String((counter += 1)) : '1' }));
    };

  it('give a warning in a run without replays', async () => {
    const { status, warnings } = await ending(twice(false));
    expect(status).to.equal('completed');
    expect(warnings.join()).to.contain('saved the record "1", which another step had saved with other content');
  });

  it('fail the run after steps were replayed, because a counter has begun again', async () => {
    const { code, message } = await ending(twice(true));
    expect(code).to.equal('replay-diverged');
    expect(message).to.contain('a counter that begins again');
  });
});

describe('Keys that differ only in volatile parts', () => {
  for (const [one, other, expected] of [
    ['page 1', 'page 2', false],
    ['at 2026-01-01T10:00:00Z', 'at 2026-01-01T10:00:05Z', true],
    ['run 1790000000000', 'run 1790000000500', true],
    ['roll 0.123456789', 'roll 0.987654321', true],
    ['id 8f14e45f-ceea-467f-a6b0-1b0b1d3c4e5f', 'id 9f14e45f-ceea-467f-a6b0-1b0b1d3c4e5f', true],
    ['same 1790000000000', 'same 1790000000000', false],
    ['a 1790000000000', 'b 1790000000000', false],
  ] as const) {
    it(`${expected ? 'are' : 'are not'}: "${one}" and "${other}"`, () => {
      expect(differOnlyInVolatileParts(one, other)).to.equal(expected);
    });
  }
});
