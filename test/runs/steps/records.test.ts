import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { ActionError } from 'webdriver-supervisor';

import { rejectionOf } from '../../support/rejection.ts';
import { runScripted, type ScriptedRun } from '../../support/scripted-run.ts';

/** The exported records of a run, in the order of its file. */
async function exported(run: ScriptedRun['run']): Promise<unknown[]> {
  const output = mkdtempSync(path.join(tmpdir(), 'records-'));
  try {
    const { outcome } = await runScripted({ options: { output }, run });
    expect(outcome.error).to.equal(null);
    const file = outcome.outputs['records'];
    if (file === undefined) return [];
    return readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  } finally {
    rmSync(output, { recursive: true });
  }
}

const key = (item: string): string => item;

describe('Records', () => {
  it('are refused without a key, with an example', async () => {
    const run: ScriptedRun['run'] = ({ step }) => step('a', ({ save }) => save({ n: 1 }, undefined as never));
    const { outcome } = await runScripted({ run });
    expect(outcome.error?.message).to.contain("save(record, { key: 'item 7' })");
  });

  it('are exported in the order of declaration, then of saving, for every order of finishing', async () => {
    const records = await exported(async ({ batch, step, save }) => {
      await save({ n: 0 }, { key: 'first' });
      const last = Promise.withResolvers<void>();
      await batch(
        'b',
        ['slow', 'fast'],
        async (item, { save: saveRecord }) => {
          if (item === 'slow') await last.promise;
          saveRecord({ item, n: 1 }, { key: `${item} 1` });
          saveRecord({ item, n: 2 }, { key: `${item} 2` });
          saveRecord({ item, n: 3 }, { key: `${item} 1` });
          if (item === 'fast') last.resolve();
        },
        { key },
      );
      await step('s', ({ save: saveRecord }) => saveRecord({ n: 9 }, { key: 'last' }));
    });
    expect(records).to.deep.equal([
      { n: 0 },
      { item: 'slow', n: 3 },
      { item: 'slow', n: 2 },
      { item: 'fast', n: 3 },
      { item: 'fast', n: 2 },
      { n: 9 },
    ]);
  });

  it('with one key and different contents in a step leave the last one, and a warning that names the key', async () => {
    const { outcome } = await runScripted({
      run: ({ step }) =>
        step('prices', ({ save }) => {
          for (const price of [1, 2, 3]) save({ price }, { key: 'drum' });
          for (const price of [4, 4]) save({ price }, { key: 'globe', dataset: 'toys' });
        }),
    });
    expect(outcome).to.include({ status: 'completed', records: 2 });
    expect(outcome.warnings).to.deep.equal([
      'The step "prices" saved different records with the key "drum". Only the last one is stored; other records need keys of their own.',
    ]);
  });

  it('have the same order as in an undisturbed run if sessions died', async () => {
    const work =
      (disturbed: boolean): ScriptedRun['run'] =>
      async ({ batch, step, save }, { entry, die }) => {
        await step('a', ({ save: saveRecord }) => saveRecord({ step: 'a' }, { key: 'a' }));
        await save({ between: 1 }, { key: 'between' });
        await batch(
          'b',
          ['1', '2', '3', '4'],
          async (item, { save: saveRecord }) => {
            saveRecord({ item }, { key: item });
            if (disturbed && entry === 1 && item === '2') await die();
          },
          { key, concurrency: 2 },
        );
        if (disturbed && entry === 2) await die();
        await step('c', ({ save: saveRecord }) => saveRecord({ step: 'c' }, { key: 'c' }));
      };
    expect(await exported(work(true))).to.deep.equal(await exported(work(false)));
  });

  it('are replaced by the last commit if two steps save one key, with a warning that names both', async () => {
    const { outcome, warnings } = await runScripted({
      run: async ({ step }) => {
        await step('one', ({ save }) => save({ from: 'one' }, { key: 'same' }));
        await step('two', ({ save }) => save({ from: 'two' }, { key: 'same' }));
        await step('three', ({ save }) => save({ from: 'three' }, { key: 'same', dataset: 'other' }));
      },
    });
    expect(outcome).to.include({ status: 'completed', records: 2 });
    expect(warnings).to.have.length(1);
    expect(outcome.warnings).to.deep.equal([
      'The step "two" saved the record "same", which another step had saved with other content. The last record is stored.',
    ]);
  });

  it('are stored at once and only once if they are saved outside of steps, for any number of entries of `run`', async () => {
    const { outcome } = await runScripted({
      run: async ({ save }, { entry, die }) => {
        await save({ entry }, { key: 'summary' });
        if (entry === 1) await die();
      },
    });
    expect(outcome).to.include({ status: 'completed', records: 1 });
  });

  it('are refused by ctx.save while a step or an item runs, with the function to use instead', async () => {
    const errors: Error[] = [];
    await runScripted({
      run: async ({ step, batch, save }) => {
        await step('s', async () => void errors.push(await rejectionOf(save({}, { key: 'x' }))));
        const options = { key };
        await batch('b', ['i'], async () => void errors.push(await rejectionOf(save({}, { key: 'x' }))), options);
        const slow = Promise.withResolvers<void>();
        const sibling = step('sibling', () => slow.promise);
        errors.push(await rejectionOf(save({}, { key: 'x' })));
        slow.resolve();
        await sibling;
        await save({}, { key: 'after' });
      },
    }).then(({ outcome }) => expect(outcome).to.include({ status: 'completed', records: 1 }));
    expect(errors).to.have.length(3);
    for (const error of errors) {
      expect(error).to.be.instanceOf(ActionError);
      expect(error.message).to.contain('`save` of the step or worker');
    }
  });

  it('are refused without a usable key or dataset, or if they are not objects', async () => {
    const wrong: [record: unknown, options: unknown][] = [
      [{}, undefined],
      [{}, { key: '' }],
      [{}, { key: 7 }],
      [{}, { key: 'a', dataset: '' }],
      ['text', { key: 'a' }],
      [{ when: new Date(0) }, { key: 'a' }],
    ];
    for (const [record, options] of wrong) {
      for (const where of ['step', 'run'] as const) {
        const { code } = await runScripted({
          run: async ({ step, save }) => {
            if (where === 'run') await save(record as object, options as never);
            else await step('s', ({ save: saveRecord }) => saveRecord(record as object, options as never));
          },
        });
        expect(code, JSON.stringify([record, options, where])).to.equal('action-error');
      }
    }
  });

  it('are not replaced by older ones saved outside of steps when `run` is entered again', async () => {
    const work: ScriptedRun['run'] = async ({ step, save }) => {
      await save({ state: 'draft' }, { key: 'k' });
      await step('finish', ({ save: saveRecord }) => saveRecord({ state: 'final' }, { key: 'k' }));
      await save({ state: 'other' }, { key: 'o' });
    };
    const undisturbed = await exported(work);
    const disturbed = await exported(async (context, stage) => {
      await work(context, stage);
      if (stage.entry === 1) await stage.die();
    });
    expect(undisturbed).to.deep.equal([{ state: 'final' }, { state: 'other' }]);
    expect(disturbed).to.deep.equal(undisturbed);
  });

  it('are counted live', async () => {
    const seen: number[] = [];
    await runScripted({
      run: async ({ step, save }, { run }) => {
        await save({}, { key: 'a' });
        seen.push(run.progress.records);
        await step('s', ({ save: saveRecord }) => saveRecord({}, { key: 'b' }));
        seen.push(run.progress.records);
      },
    });
    expect(seen).to.deep.equal([1, 2]);
  });
});
