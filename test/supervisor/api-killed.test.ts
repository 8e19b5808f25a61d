import { expect } from 'chai';

import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { killProcess, openFaultSite } from 'webdriver-supervisor/testing';

describe('supervisor.api under load, with a real browser', () => {
  it('cancels the remaining items of a batch, and fails none, when the browser is killed during its calls (R105, R110)', async () => {
    await using site = await openFaultSite();
    await using supervisor = await SessionSupervisor.start({ apiRetries: 0, criticalFailureThreshold: 5 });
    let answered = 0;
    const { counts, stoppedBy, results } = await supervisor.batch(
      Array.from({ length: 5_000 }, (_, index) => index),
      async (_item, { api }) => {
        await api.json(`${site.url}/json`);
        if ((answered += 1) === 100) killProcess(supervisor.pids.browser!);
      },
      { concurrency: 10 },
    );
    expect(stoppedBy).to.equal(supervisor.signal.reason);
    expect(results.find(({ status }) => status === 'failed')).to.equal(undefined);
    expect(counts.done + counts.cancelled).to.equal(5_000);
    const { death } = supervisor.health;
    expect(death!.cause).to.equal('browser-gone');
    expect(['devtools', 'command']).to.include(death!.detectedBy);
    expect(death!.cancelled.queued + death!.cancelled.inFlight).to.equal(counts.cancelled);
  });
});
