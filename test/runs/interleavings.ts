import { expect } from 'chai';
import * as fc from 'fast-check';
import { openRegistry, type RunCounts, type RunOptions } from 'webdriver-supervisor';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { MEMORY_REGISTRY_URL } from '../../src/registry/registry.ts';
import { runScripted, type Stage } from '../support/scripted-run.ts';

/** The behaviour of one unit of work. A unit that dies or cancels does so once, and is done the next time. */
const BEHAVIOURS = ['done', 'fail', 'skip', 'die', 'catch a death', 'cancel'] as const;
type Behaviour = (typeof BEHAVIOURS)[number];

export type Operation =
  | { readonly kind: 'step'; readonly unit: Behaviour }
  | { readonly kind: 'siblings'; readonly units: readonly Behaviour[] }
  | { readonly kind: 'batch'; readonly units: readonly Behaviour[]; readonly concurrency: number }
  | { readonly kind: 'save' };

const unit = fc.oneof(
  { arbitrary: fc.constant<Behaviour>('done'), weight: 6 },
  { arbitrary: fc.constantFrom<Behaviour>('fail', 'skip'), weight: 2 },
  { arbitrary: fc.constantFrom<Behaviour>('die', 'catch a death'), weight: 1 },
  { arbitrary: fc.constant<Behaviour>('cancel'), weight: 1 },
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant('step' as const), unit }),
  fc.record({ kind: fc.constant('siblings' as const), units: fc.array(unit, { minLength: 1, maxLength: 3 }) }),
  fc.record({
    kind: fc.constant('batch' as const),
    units: fc.array(unit, { maxLength: 6 }),
    concurrency: fc.integer({ min: 1, max: 3 }),
  }),
  fc.constant({ kind: 'save' as const }),
);

/** Programs with few deaths, because restarts have a back-off from the second one on. */
const program = fc
  .array(operation, { maxLength: 5 })
  .filter((operations) => operations.flatMap(unitsOf).filter(isDeadly).length <= 2);

function isDeadly(one: Behaviour): boolean {
  return one === 'die' || one === 'catch a death';
}

function unitsOf(one: Operation): readonly Behaviour[] {
  if (one.kind === 'save') return [];
  return one.kind === 'step' ? [one.unit] : one.units;
}

/** Runs random programs. Each must satisfy the invariants 4 (counts) and 5 (exactly once). */
export async function checkInterleavings({ numRuns, seed }: { numRuns: number; seed?: number }): Promise<void> {
  await using server = await openScriptedWebDriver();
  await using registry = await openRegistry(MEMORY_REGISTRY_URL);
  await fc.assert(
    fc.asyncProperty(program, async (operations) => {
      let stop = new AbortController();
      const committed = new Map<string, number>();
      const happened = new Set<string>();
      let before: RunCounts | undefined;
      const observe = ({ run }: Stage): void => {
        const { counts } = run.progress;
        expectToAddUp(counts);
        const { total, done } = counts;
        expect(total, 'total never shrinks').to.be.at.least(before?.total ?? 0);
        expect(done, 'done never shrinks').to.be.at.least(before?.done ?? 0);
        before = counts;
      };

      /** The stored state, as another process reads it in one query. */
      const observeStored = async ({ run }: Stage): Promise<void> => {
        const stored = await registry.runs.get(run.id);
        expectToAddUp(stored!.counts);
        expect(stored!.counts.done, 'stored and reported').to.be.at.most(run.progress.counts.done);
        const keys = (await Array.fromAsync(registry.runs.listRecords(run.id))).map(({ key }) => key);
        expect(new Set(keys).size, 'a record twice').to.equal(keys.length);
      };

      const act = async (
        behaviour: Behaviour,
        { name, stage, save, skip }: { name: string; stage: Stage; save: (key: string) => void; skip: () => void },
      ): Promise<string> => {
        observe(stage);
        await observeStored(stage);
        save(name);
        const isFirst = !happened.has(name);
        happened.add(name);
        if (behaviour === 'fail') throw new Error(`${name} failed`);
        if (behaviour === 'skip') skip();
        if (behaviour === 'cancel' && isFirst) stop.abort();
        if (isDeadly(behaviour) && isFirst) {
          await stage.die();
          observe(stage);
          if (behaviour === 'die') throw new Error('a symptom');
        }
        return `${name} of entry ${stage.entry}`;
      };

      const received: string[] = [];
      const runOnce = (resume: RunOptions) => {
        stop = new AbortController();
        return runScripted({
          server,
          options: { registry, signal: stop.signal, ...resume },
          run: async ({ step, batch, save }, stage) => {
            received.length = 0;
            stage.supervisors[0]?.on('session:dead', () => observe(stage));
            const runStep = async (behaviour: Behaviour, name: string): Promise<void> => {
              const value = await step(name, ({ save: saveRecord }) =>
                act(behaviour, { name, stage, save: (key) => saveRecord({ name }, { key }), skip: () => undefined }),
              ).catch((error: Error) => {
                if (error.message !== `${name} failed`) throw error;
                return `${name} failed`;
              });
              received.push(value);
              observe(stage);
            };
            for (const [index, one] of operations.entries()) {
              observe(stage);
              if (one.kind === 'save') await save({ index }, { key: `save ${index}` });
              else if (one.kind === 'step') await runStep(one.unit, `${index}`);
              else if (one.kind === 'siblings') {
                await Promise.all(one.units.map((behaviour, position) => runStep(behaviour, `${index}.${position}`)));
              } else {
                const { results } = await batch(
                  `${index}`,
                  one.units.map((behaviour, position) => ({ behaviour, name: `${index}.${position}` })),
                  ({ behaviour, name }, { save: saveRecord, skip }) =>
                    act(behaviour, {
                      name,
                      stage,
                      save: (key) => saveRecord({ name }, { key }),
                      skip: () => skip('no'),
                    }),
                  { key: ({ name }) => name, concurrency: one.concurrency },
                );
                for (const result of results) if (result.status === 'done') received.push(result.value);
              }
              observe(stage);
            }
          },
        });
      };
      let { outcome } = await runOnce({});
      // Each unit cancels once, so this ends.
      while (outcome.status === 'cancelled') {
        const { runId } = outcome;
        ({ outcome } = await runOnce({ resume: runId }));
        expect(outcome.runId).to.equal(runId);
      }
      for (const value of received) committed.set(value, (committed.get(value) ?? 0) + 1);

      const { counts, status, records } = outcome;
      expect(counts.done + counts.failed + counts.cancelled + counts.skipped).to.equal(counts.total);
      expect(Math.max(1, ...committed.values()), 'a value twice').to.equal(1);
      const units = operations.flatMap(unitsOf);
      const isItem = operations.filter(({ kind }) => kind === 'batch').flatMap(unitsOf);
      const failed = units.filter((one) => one === 'fail').length;
      const skipped = isItem.filter((one) => one === 'skip').length;
      const done = units.length - failed - skipped;
      expect(counts).to.deep.equal({ total: units.length, done, failed, cancelled: 0, skipped });
      expect(records).to.equal(done + operations.filter(({ kind }) => kind === 'save').length);
      expect(status).to.equal(failed > 0 ? 'partial' : 'completed');
    }),
    { numRuns, ...(seed === undefined ? {} : { seed }) },
  );
  expect(server.sessionIds, 'sessions left').to.deep.equal([]);
}

function expectToAddUp(counts: RunCounts): void {
  const { total, queued, running, done, failed, cancelled, skipped } = counts;
  expect(queued + running + done + failed + cancelled + skipped, JSON.stringify(counts)).to.equal(total);
  for (const count of Object.values(counts)) expect(count).to.be.at.least(0);
}
