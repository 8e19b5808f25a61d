import { expect } from 'chai';

import { kill, startScripted } from '../supervisor/support.ts';
import { runScripted, type ScriptedRun } from '../support/scripted-run.ts';

/** A second restart without progress in between would exceed every time limit of a test. */
const restartLimit = { limit: 10, windowMs: 600_000, firstBackoffMs: 3_600_000 };

describe('A restart after progress', () => {
  const works: Record<string, ScriptedRun['run']> = {
    'a finished step': async ({ step }, { die, entry }) => {
      for (let number = 1; number <= 4; number += 1) {
        await step(`step ${number}`, () => undefined);
        if (number === entry && entry < 4) await die();
      }
    },
    'a finished item': async ({ batch }, { die, entry }) => {
      await batch(
        'items',
        [1, 2, 3, 4],
        async (item) => {
          if (item === entry + 1 && entry < 4) await die();
        },
        { key: String, concurrency: 1 },
      );
    },
    'a finished item on a session of the batch': async ({ batch }, { die, supervisors }) => {
      const enough = Promise.withResolvers<void>();
      let [calls, deaths] = [0, 0];
      await batch(
        'items',
        Array.from({ length: 10 }, (_unused, index) => index),
        async (_item, { driver }) => {
          const id = (await driver.getSession()).getId();
          // The run's own session leaves the items to the other one.
          if (id !== supervisors[1]?.sessionId) return enough.promise;
          calls += 1;
          if (calls % 2 === 1 || deaths === 3) return;
          deaths += 1;
          if (deaths === 3) enough.resolve();
          await die(supervisors[1]);
        },
        { key: String, sessions: 2 },
      );
    },
  };

  for (const [progress, run] of Object.entries(works)) {
    it(`does not wait after ${progress}, however often the session has died`, async () => {
      const { outcome } = await runScripted({ options: { supervisor: { restartLimit } }, run });
      expect(outcome).to.include({ status: 'completed', error: null });
      expect(outcome.deaths.length).to.be.at.least(3);
    });
  }

  it('does not wait after an item of a supervisor’s own batch, or after noteProgress', async () => {
    await using scripted = await startScripted({ restartLimit });
    const { supervisor } = scripted;
    for (let death = 1; death <= 3; death += 1) {
      kill(supervisor);
      await supervisor.restart();
      await supervisor.batch([1], () => undefined);
    }
    for (let death = 1; death <= 3; death += 1) {
      kill(supervisor);
      await supervisor.restart();
      supervisor.noteProgress();
    }
    expect(supervisor).to.include({ state: 'alive', epoch: 7 });
  });
});
