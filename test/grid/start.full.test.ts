import { expect } from 'chai';

import { makeLog } from '../../src/core/log.ts';
import { SessionSupervisor, type ObservedOptions } from '../../src/supervisor/supervisor.ts';
import type { Grid } from '../../scripts/grid/open-grid.ts';
import { openGridOrSkip } from './support.ts';

describe('A start on a Grid', function () {
  let grid: Grid;

  before(async function () {
    grid = await openGridOrSkip(this, { nodes: 1, slots: 1 });
  });

  after(() => grid?.[Symbol.asyncDispose]());

  it('reports the queue while it waits, and begins when the slot is free', async () => {
    const first = await SessionSupervisor.start({ gridUrl: grid.url });
    const seen: unknown[] = [];
    const { promise: queued, resolve } = Promise.withResolvers<void>();
    const options: ObservedOptions = {
      gridUrl: grid.url,
      onQueued: (state) => {
        seen.push(state);
        resolve();
      },
    };
    const second = SessionSupervisor.start(options);
    await queued;
    expect(seen).to.eql([{ queued: 1, slots: 1, sessions: 1 }]);
    await first.stop();
    await (await second).stop();
    expect(seen.at(-1)).to.equal(undefined);
  });

  it('ends at its own limit with the number of slots and sessions, while another start for a missing browser fails', async () => {
    await using _first = await SessionSupervisor.start({ gridUrl: grid.url });
    const full = SessionSupervisor.start({ gridUrl: grid.url, startTimeoutMs: 1_000 });
    const missing = SessionSupervisor.start({
      gridUrl: grid.url,
      browserName: 'firefox',
      capabilities: { browserVersion: '140' },
    });
    const [late, mismatch] = await Promise.allSettled([full, missing]);
    expect(late)
      .to.have.nested.property('reason.message')
      .that.matches(/the only slot of the Grid http:\S+ was in use/);
    expect(late).to.have.nested.property('reason.message').that.contains('GRID_START_TIMEOUT_SECONDS');
    expect(mismatch)
      .to.have.nested.property('reason.message')
      .that.matches(/offers firefox 140\. Its 1 node offers chrome on linux\./);
  });

  it('is repeated while the only node is being replaced', async () => {
    const lines: string[] = [];
    const log = makeLog({ level: 'warn', format: 'text', write: (line) => lines.push(line) });
    await grid.nodes[0]?.kill();
    const starting = SessionSupervisor.start({ gridUrl: grid.url, log });
    const node = await grid.startNode();
    const supervisor = await starting;
    expect(await supervisor.checkSessionHealth()).to.equal(true);
    await supervisor.stop();
    await node.kill();
    expect(lines.join('')).to.contain('the start is repeated');
  });
});
