import { expect } from 'chai';
import { stub } from 'sinon';
import { openRegistry } from 'webdriver-supervisor';

import { MEMORY_REGISTRY_URL } from '../../../src/registry/registry.ts';
import { Retirement } from '../../../src/runs/sessions/retirement.ts';
import { silentLog } from '../../../src/core/log.ts';
import { startScripted } from '../../supervisor/support.ts';
import { runScripted } from '../../support/scripted-run.ts';
import { items, key } from './meeting.ts';

const PAGE = 'http://127.0.0.1/';

describe('Sessions that are renewed before they die', () => {
  it('are renewed between steps after the maximum number of pages, without a death, and each step is done once', async () => {
    const done: string[] = [];
    const { outcome, entries, left } = await runScripted({
      options: { maxPages: 2 },
      run: async ({ driver, step }) => {
        for (const name of ['a', 'b', 'c', 'd', 'e', 'f'])
          await step(name, async () => {
            await driver.get(PAGE);
            done.push(name);
          });
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 3 });
    expect(outcome.deaths).to.deep.equal([]);
    expect(done).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(entries).to.equal(3);
    expect(left).to.equal(0);
  });

  it('may be renewed more often than the restart limit allows deaths, without a back-off', async () => {
    const { outcome } = await runScripted({
      options: { maxPages: 1, supervisor: { restartLimit: { limit: 1, windowMs: 600_000 } } },
      run: async ({ driver, step }) => {
        for (let number = 1; number <= 4; number += 1) await step(`step ${number}`, () => driver.get(PAGE));
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 4 });
  });

  it('end in the registry as ended, with the reason', async () => {
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const { outcome } = await runScripted({
      owner: 'me',
      options: { maxPages: 1, registry },
      run: async ({ driver, step }) => {
        for (const name of ['a', 'b']) await step(name, () => driver.get(PAGE));
      },
    });
    expect(outcome.status).to.equal('completed');
    const rows = await registry.sessions.list({});
    expect(rows.map(({ status, errorMessage }) => ({ status, errorMessage }))).to.deep.equal([
      { status: 'ended', errorMessage: null },
      { status: 'ended', errorMessage: 'renewed after 1 page' },
    ]);
  });

  it('are due after the maximum age, and their successors are new', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    const retirement = new Retirement({ maxPages: 0, maxSessionAgeMs: 600_000, maxSessionMemoryMb: 0 }, silentLog);
    retirement.track().follow(supervisor);
    let laterMs = 599_000;
    const now = performance.now.bind(performance);
    const clock = stub(performance, 'now').callsFake(() => now() + laterMs);
    try {
      expect(retirement.reasonFor(supervisor)).to.equal(undefined);
      laterMs = 601_000;
      expect(retirement.reasonFor(supervisor)).to.equal('renewed after 10 min');
      await supervisor.restart();
      expect(retirement.reasonFor(supervisor)).to.equal(undefined);
    } finally {
      clock.restore();
    }
  });

  it('are not renewed while another step is in flight, nor inside of a step', async () => {
    const { outcome, entries } = await runScripted({
      options: { maxPages: 1 },
      run: async ({ driver, step }, { entry }) => {
        const gate = Promise.withResolvers<void>();
        const first = step('first', () => gate.promise);
        await step('second', () => driver.get(PAGE));
        await step('third', () => driver.get(PAGE));
        gate.resolve();
        await first;
        await step('outer', async () => {
          expect(entry).to.equal(2);
          await step('inner 1', () => driver.get(PAGE));
          await step('inner 2', () => driver.get(PAGE));
        });
      },
    });
    expect(outcome.error).to.equal(null);
    expect(outcome).to.include({ status: 'completed', sessions: 2 });
    expect(entries).to.equal(2);
  });

  it('are not renewed in a run without steps, after the last step, or without recovery', async () => {
    const withoutSteps = await runScripted({
      options: { maxPages: 1 },
      run: async ({ driver }) => {
        for (let count = 0; count < 3; count += 1) await driver.get(PAGE);
      },
    });
    const afterLast = await runScripted({
      options: { maxPages: 1 },
      run: ({ driver, step }) => step('only', () => driver.get(PAGE)),
    });
    const withoutRecovery = await runScripted({
      options: { maxPages: 1, recover: false },
      run: async ({ driver, step }) => {
        for (const name of ['a', 'b']) await step(name, () => driver.get(PAGE));
      },
    });
    for (const { outcome } of [withoutSteps, afterLast, withoutRecovery])
      expect(outcome).to.include({ status: 'completed', sessions: 1 });
  });

  it('ignore a limit that a new session exceeds before its first step, and say so once', async () => {
    const { outcome, warnings } = await runScripted({
      options: { maxPages: 1, maxSessionAgeMs: 3_600_000 },
      prepare: ({ driver }) => driver.get(PAGE),
      run: async ({ driver, step }) => {
        for (const name of ['a', 'b', 'c']) await step(name, () => driver.get(PAGE));
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 1 });
    expect(warnings.map(({ message }) => message)).to.deep.equal([
      'A new browser session has reached 1 page already: maxPages is too small and is ignored',
    ]);
  });

  it('of a pool are renewed between the items of their slot', async () => {
    const { outcome } = await runScripted({
      options: { maxPages: 2 },
      owner: 'me',
      run: async ({ batch }, { supervisors }) => {
        const worked: string[] = [];
        await batch(
          'pages',
          items(12),
          async (_item, { driver }) => {
            await driver.get(PAGE);
            const id = (await driver.getSession()).getId();
            const slot = supervisors.find(({ sessionId }) => sessionId === id);
            worked.push(`${slot?.owner} ${slot?.epoch}`);
          },
          { key, sessions: 2 },
        );
        const ofSlot = worked.filter((name) => name.startsWith('me#2'));
        for (const name of ofSlot) expect(ofSlot.filter((one) => one === name).length).to.be.at.most(2);
        expect(new Set(ofSlot).size).to.equal(Math.ceil(ofSlot.length / 2));
      },
    });
    expect(outcome.error).to.equal(null);
    expect(outcome.counts.done).to.equal(12);
    expect(outcome.deaths).to.deep.equal([]);
  });

  it('need limits that are numbers of at least 0', async () => {
    const starting = runScripted({ options: { maxPages: -1 }, run: () => undefined });
    const error = await starting.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.include({ code: 'invalid-config', message: 'maxPages is -1; it must be at least 0.' });
  });
});
