import { expect } from 'chai';

import { runScripted } from '../support/scripted-run.ts';

/** Four times the work takes four times as long. Code that visits all units for each unit would take sixteen times as long. */
const MAX_GROWTH = 10;

describe('Run: scale', () => {
  for (const what of ['steps', 'items', 'added items', 'saves'] as const) {
    it(`takes time in proportion to the number of its ${what}, when they are done and when they are replayed`, async () => {
      const measure = async (count: number): Promise<number> => {
        let elapsedMs = 0;
        const { outcome } = await runScripted({
          run: async ({ step, batch, save }, { entry, die }) => {
            const begunAt = performance.now();
            const items = Array.from({ length: count }, (_unused, index) => index);
            if (what === 'steps') for (const item of items) await step(`${item}`, () => item);
            if (what === 'saves') for (const item of items) await save({ item }, { key: `${item}` });
            if (what === 'items') await batch('b', items, (item) => item, { key: String });
            if (what === 'added items') {
              const grow = (item: number, add: (item: number) => boolean) =>
                [2 * item + 1, 2 * item + 2].forEach((next) => next < count && add(next));
              await batch('b', [0], (item, { add }) => grow(item, add), { key: String });
            }
            elapsedMs += performance.now() - begunAt;
            if (entry === 1) await die();
          },
        });
        expect(outcome).to.include({ status: 'completed', sessions: 2 });
        return elapsedMs;
      };
      await measure(2_500);
      const small = await measure(10_000);
      const large = await measure(40_000);
      expect(large / small).to.be.below(MAX_GROWTH);
    }).timeout(120_000);
  }
});
