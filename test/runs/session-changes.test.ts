import { expect } from 'chai';
import type { SessionSupervisor } from 'webdriver-supervisor';

import { runScripted } from '../support/scripted-run.ts';

describe('Run: callers that change its session in onDeath', () => {
  const changes: Record<string, (supervisor: SessionSupervisor) => Promise<unknown>> = {
    'restart()': (supervisor) => supervisor.restart(),
    'stop()': (supervisor) => supervisor.stop(),
    'quit()': (supervisor) => supervisor.driver.quit(),
  };
  for (const [name, change] of Object.entries(changes)) {
    it(`is completed if one calls ${name} during a step whose session has died`, async () => {
      const asked: Promise<unknown>[] = [];
      let supervisor: SessionSupervisor | undefined;
      const { outcome, left } = await runScripted({
        options: {
          onSession: (one) => (supervisor = one),
          onDeath: () => void asked.push(change(supervisor!)),
        },
        run: async ({ step, driver }, { entry }) => {
          for (const key of ['a', 'b', 'c'])
            await step(key, async ({ save }) => {
              // Declared here, so that the callback runs in the asynchronous context of the step.
              if (key === 'b' && entry === 1)
                supervisor!.declareDeath({ cause: 'driver-gone', detectedBy: 'driver-exit', message: 'killed' });
              await driver.getTitle();
              save({ key }, { key });
            });
        },
      });
      await Promise.allSettled(asked);
      expect(asked).to.have.length(1);
      expect(outcome).to.include({ status: 'completed', records: 3 });
      expect(left).to.equal(0);
    });
  }
});
