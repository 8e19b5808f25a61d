import { expect } from 'chai';
import { descendantsOf, leftovers, newLeftovers } from 'webdriver-supervisor/testing';

import { openRegistry } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnBoth } from '../support/registries.ts';
import { Holder } from './support/holder.ts';

const PROCESSES = 4;
const CALLERS = 100;

describeOnBoth('Four processes with a hundred callers each for one owner, with real browsers', (registries) => {
  it('share one session and one browser (R301, invariant 7)', async () => {
    const registryUrl = await registries.url();
    const before = leftovers();
    await using registry = await openRegistry(registryUrl);
    await using stack = new AsyncDisposableStack();
    const order = { registryUrl, owner: 'ann', callers: CALLERS };
    const holders = Array.from({ length: PROCESSES }, () => stack.use(Holder.start(order)));
    const lines = await Promise.all(holders.map((holder) => holder.next()));
    const winners = holders.filter((_holder, index) => 'got' in lines[index]!);
    expect(winners).to.have.length(1);
    const drivers = holders
      .flatMap(({ pid }) => descendantsOf(pid))
      .filter(({ command }) => /chromedriver\b.*--port=/.test(command));
    expect(drivers).to.have.length(1);
    const [row, ...others] = await registry.sessions.list({ status: ['starting', 'active'] });
    expect(others).to.deep.equal([]);
    expect(row).to.include({ pid: winners[0]!.pid, driverPid: drivers[0]!.pid });
    await winners[0]!.end('SIGTERM');
    await eventually(async () => {
      const { processes, folders } = newLeftovers(before);
      return processes.length + folders.length === 0;
    }, 'nothing to be left');
  }).timeout(60_000);
});
