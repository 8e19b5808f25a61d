import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { openRegistry } from '../../src/registry/registry.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../support/registries.ts';
import { Holder } from './support/holder.ts';
import type { HolderLine } from './support/holder-program.ts';

const PROCESSES = 4;
const CALLERS = 100;

describeOnSqliteAndInFullOnPostgres('Four processes with a hundred callers each for one owner', (registries) => {
  it('share one session; the other processes get an error that names its holder (R301, R311, invariant 7)', async () => {
    const registryUrl = await registries.url();
    await using server = await openScriptedWebDriver();
    await using registry = await openRegistry(registryUrl);
    await using stack = new AsyncDisposableStack();
    const order = { registryUrl, owner: 'ann', gridUrl: server.url, callers: CALLERS };
    const holders = Array.from({ length: PROCESSES }, () => stack.use(Holder.start(order)));
    const lines = await Promise.all(holders.map((holder) => holder.next()));

    const winners = holders.filter((_holder, index) => 'got' in lines[index]!);
    expect(winners).to.have.length(1);
    const won = lines.find((line) => 'got' in line) as Extract<HolderLine, { got: unknown }>;
    expect(won.got).to.have.length(CALLERS);
    expect(new Set(won.got).size).to.equal(1);
    expect(won.reused).to.equal(CALLERS - 1);
    for (const line of lines) {
      if ('got' in line) continue;
      expect(line).to.have.property('busy').that.has.length(CALLERS);
      expect(new Set((line as Extract<HolderLine, { busy: unknown }>).busy)).to.deep.equal(new Set([winners[0]!.pid]));
    }
    expect(server.sessionIds).to.have.length(1);
    expect(server.requests.filter(({ method, path }) => method === 'POST' && path === '/session')).to.have.length(1);
    expect(await registry.sessions.count({ status: ['starting', 'active'] })).to.equal(1);
    // A process ends its session on request, and the next process gets one at once.
    await winners[0]!.end('SIGTERM');
    expect(server.sessionIds).to.deep.equal([]);
    await using next = Holder.start({ ...order, callers: 1, waitMs: 5_000 });
    expect(await next.next()).to.have.property('got');
    await next.end('SIGTERM');
  }).timeout(60_000);

  it('serve all waiting callers, one process after the other', async () => {
    const registryUrl = await registries.url();
    await using server = await openScriptedWebDriver();
    await using stack = new AsyncDisposableStack();
    const order = { registryUrl, owner: 'ann', gridUrl: server.url, callers: 10, waitMs: 60_000 };
    const left = new Set(Array.from({ length: 3 }, () => stack.use(Holder.start(order))));
    const answers = new Map([...left].map((holder) => [holder, holder.next().then((line) => ({ holder, line }))]));
    while (left.size > 0) {
      const { holder, line } = await Promise.race([...left].map((one) => answers.get(one)!));
      expect(line).to.have.property('got').that.has.length(10);
      expect(server.sessionIds).to.have.length(1);
      left.delete(holder);
      await holder.end('SIGTERM');
    }
    expect(server.sessionIds).to.deep.equal([]);
  }).timeout(60_000);
});
