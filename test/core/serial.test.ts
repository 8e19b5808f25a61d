import { AsyncLocalStorage } from 'node:async_hooks';

import { expect } from 'chai';

import { Serial } from '../../src/core/serial.ts';

describe('Serial', () => {
  for (const isDetached of [true, false]) {
    it(`runs work in the asynchronous context ${isDetached ? 'of its own creation if it is detached' : 'of the caller'}`, async () => {
      const context = new AsyncLocalStorage<string>();
      const serial = context.run('creation', () => new Serial({ isDetached }));
      const seen = await context.run('caller', () =>
        Promise.all([1, 2].map(() => serial.run(async () => context.getStore()))),
      );
      expect(seen).to.deep.equal(Array(2).fill(isDetached ? 'creation' : 'caller'));
    });
  }

  it('starts work when all earlier work has settled, even if some of it failed', async () => {
    const serial = new Serial();
    const events: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = serial.run(async () => {
      events.push('first begins');
      await gate.promise;
      events.push('first fails');
      throw new Error('first');
    });
    const second = serial.run(() => Promise.resolve(events.push('second')));
    await Promise.resolve();
    gate.resolve();
    expect(await first.catch((error: Error) => error.message)).to.equal('first');
    expect(await second).to.equal(3);
    expect(events).to.deep.equal(['first begins', 'first fails', 'second']);
  });
});
