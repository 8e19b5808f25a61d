import v8 from 'node:v8';
import vm from 'node:vm';

import { expect } from 'chai';

import { kill, startScripted, turn } from './support.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('SessionSupervisor under much work', () => {
  it('accepts 100 000 items without blocking the program, and ends them all at a death (R105)', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    expect((await supervisor.batch(numbers(100_000), (item) => item)).counts.done).to.equal(100_000);
    const stuck = supervisor.batch(
      numbers(100_000),
      (_item, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    await turn();
    expect(supervisor.health.parallelOperations).to.equal(5);
    kill(supervisor);
    expect((await stuck).counts).to.include({ total: 100_000, cancelled: 100_000 });
    expect(supervisor.health.death!.cancelled).to.deep.equal({ queued: 99_995, inFlight: 5, refused: 0 });
  });

  it('grows a long crawl by add, one item at a time, as fast at its end as at its beginning', async () => {
    await using scripted = await startScripted();
    const { counts } = await scripted.supervisor.batch([0], (item, { add }) => void (item < 100_000 && add(item + 1)), {
      key: String,
    });
    expect(counts.done).to.equal(100_001);
  });

  it('retains no memory of thousands of calls and batches on one session', async function () {
    this.timeout(300_000);
    v8.setFlagsFromString('--expose-gc');
    const collect = vm.runInNewContext('gc') as () => void;
    // The limit of each attempt is a timer that exists until it expires.
    await using scripted = await startScripted({ apiTimeoutMs: 1_000 });
    const { supervisor, server } = scripted;
    const work = async (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        await supervisor.batch(numbers(20), (_item, { api }) => api.json(`${server.url}/status`), { retries: 1 });
      }
      (server.requests as unknown[]).length = 0;
    };
    const heapBytes = async () => {
      // The last limits expire and release the memory that they hold.
      await new Promise((resolve) => {
        setTimeout(resolve, 1_100);
      });
      for (let count = 0; count < 5; count++) {
        collect();
        await turn();
      }
      return process.memoryUsage().heapUsed;
    };
    await work(100);
    const before = await heapBytes();
    await work(300);
    const perCall = ((await heapBytes()) - before) / (300 * 20);
    expect(perCall).to.be.below(200);
  });
});
