import { once } from 'node:events';

import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { runScripted } from '../../support/scripted-run.ts';
import { items, key, makeMeeting } from './meeting.ts';

describe('ctx.batch with sessions', () => {
  it('gives each worker its own driver, with the run’s session as one of them, and ends all', async () => {
    const sessions = new Set<string>();
    const owners: string[] = [];
    const { outcome, left } = await runScripted({
      owner: 'me',
      options: { onSession: (supervisor) => owners.push(supervisor.owner) },
      run: async ({ batch, session }) => {
        const meet = makeMeeting(3);
        await batch(
          'b',
          items(3),
          async (_item, { driver }) => {
            await meet();
            sessions.add((await driver.getSession()).getId());
          },
          { key, sessions: 3 },
        );
        expect(sessions.has(session.id)).to.equal(true);
      },
    });
    expect(sessions.size).to.equal(3);
    expect(owners.toSorted()).to.deep.equal(['me', 'me#2', 'me#3']);
    expect(outcome).to.include({ status: 'completed', sessions: 3 });
    expect(left).to.equal(0);
  });

  it('never has two workers on one session at the same time', async () => {
    const busy = new Set<string>();
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        await batch(
          'b',
          items(12),
          async (_item, { driver }) => {
            const id = (await driver.getSession()).getId();
            expect(busy.has(id)).to.equal(false);
            busy.add(id);
            await driver.getTitle();
            busy.delete(id);
          },
          { key, sessions: 3 },
        );
      },
    });
    expect(outcome.counts).to.include({ total: 12, done: 12 });
  });

  it('uses the caller’s number of sessions instead of the batch’s', async () => {
    const { outcome } = await runScripted({
      options: { sessions: 1 },
      run: async ({ batch }) => {
        await batch('b', items(4), (_item, { driver }) => driver.getTitle(), { key, sessions: 3 });
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 1 });
  });

  it('restarts only the slot whose session died, and does only its item again', async () => {
    const begun: string[] = [];
    const { outcome, entries, left } = await runScripted({
      run: async ({ batch }, { supervisors, die }) => {
        const meet = makeMeeting(2);
        const meetAgain = makeMeeting(2);
        await batch(
          'b',
          items(6),
          async (item, { driver, save }) => {
            begun.push(item);
            await meet();
            save({ item }, { key: item });
            const id = (await driver.getSession()).getId();
            if (supervisors[1]?.epoch === 1 && id === supervisors[1].sessionId) await die(supervisors[1]);
            else await meetAgain();
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(entries).to.equal(1);
    expect(outcome).to.include({ status: 'completed', records: 6, sessions: 3 });
    expect(outcome.counts).to.include({ total: 6, done: 6 });
    expect(outcome.deaths).to.have.length(1);
    expect(begun).to.have.length(7);
    expect(left).to.equal(0);
  });

  it('gives up an item that kills its slot three times, also if it has retries left', async () => {
    let begun = 0;
    const { outcome, left } = await runScripted({
      run: async ({ batch }, { supervisors, die }) => {
        const meet = makeMeeting(2);
        const onMain = Promise.withResolvers<void>();
        const { results } = await batch(
          'b',
          ['a', 'b'],
          async (_item, { driver }) => {
            await meet();
            const id = (await driver.getSession()).getId();
            const slot = supervisors.find(({ sessionId }) => sessionId === id);
            if (slot === supervisors[0]) return onMain.promise;
            begun += 1;
            if (begun === 3) onMain.resolve();
            await die(slot);
          },
          { key, sessions: 2, retries: 1 },
        );
        const failed = results.filter(({ status }) => status === 'failed');
        expect(failed).to.have.length(1);
        expect(failed[0]).to.have.nested.property('error.code', 'step-poisoned');
      },
    });
    expect(begun).to.equal(3);
    expect(outcome.error).to.equal(null);
    expect(outcome.status).to.equal('partial');
    expect(outcome.counts).to.deep.equal({ total: 2, done: 1, failed: 1, cancelled: 0, skipped: 0 });
    expect(left).to.equal(0);
  });

  it('gives up two items that kill their slots at the same time', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }, { supervisors, die, run }) => {
        const meet = makeMeeting(3);
        const bothGone = Promise.withResolvers<void>();
        // An item that was given up is counted when it is stored, which emits no event.
        const onDeath = (): unknown => (run.progress.counts.failed === 2 ? bothGone.resolve() : setImmediate(onDeath));
        await batch(
          'b',
          items(3),
          async (_item, { driver }) => {
            await meet();
            const id = (await driver.getSession()).getId();
            const slot = supervisors.find(({ sessionId }) => sessionId === id);
            if (slot === supervisors[0]) {
              onDeath();
              return bothGone.promise;
            }
            await die(slot);
          },
          { key, sessions: 3 },
        );
      },
    });
    expect(outcome).to.include({ status: 'partial', error: null });
    expect(outcome.counts).to.include({ total: 3, done: 1, failed: 2 });
    expect(outcome.deaths.length).to.be.at.most(8);
  });

  it('enters `run` again after the death of the run’s own session, with the slots that are still alive', async () => {
    const { outcome, entries, left } = await runScripted({
      run: async ({ batch }, { entry, supervisors, die }) => {
        const meet = makeMeeting(2);
        await batch(
          'b',
          items(4),
          async (_item, { driver }) => {
            await meet();
            if (entry === 1 && (await driver.getSession()).getId() === supervisors[0]?.sessionId) await die();
            await driver.getTitle();
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(entries).to.equal(2);
    expect(outcome).to.include({ status: 'completed', sessions: 3 });
    expect(outcome.counts).to.include({ total: 4, done: 4 });
    expect(left).to.equal(0);
  });

  it('does not count the death of the run’s own session against items on other slots', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }, { supervisors, die, entry }) => {
        const meet = makeMeeting(2);
        await batch(
          'b',
          ['a', 'b'],
          async (_item, { driver, signal }) => {
            if (entry > 3) return;
            await meet();
            const id = (await driver.getSession()).getId();
            if (id === supervisors[0]?.sessionId) await die();
            else await once(signal, 'abort');
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(outcome.deaths).to.have.length(3);
    expect(outcome.counts.failed).to.be.at.most(1);
  });

  it('stores the item of a worker that calls driver.quit() on its slot, and gives the slot a new session', async () => {
    const { outcome, left } = await runScripted({
      run: async ({ batch }, { supervisors }) => {
        const meet = makeMeeting(2);
        await batch(
          'b',
          items(4),
          async (_item, { driver }) => {
            await meet();
            const id = (await driver.getSession()).getId();
            if (id === supervisors[1]?.sessionId && supervisors[1]?.epoch === 1) await driver.quit();
            else await driver.getTitle();
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(outcome.error).to.equal(null);
    expect(outcome.counts).to.deep.equal({ total: 4, done: 4, failed: 0, cancelled: 0, skipped: 0 });
    expect(outcome.deaths).to.deep.equal([]);
    expect(left).to.equal(0);
  });

  it('ends the run as halted by the death of a slot if recovery is off', async () => {
    const { outcome, code, left } = await runScripted({
      options: { recover: false },
      run: async ({ batch }, { supervisors, die }) => {
        const meet = makeMeeting(2);
        await batch(
          'b',
          items(6),
          async (_item, { driver, signal }) => {
            await meet();
            const id = (await driver.getSession()).getId();
            if (id === supervisors[1]?.sessionId) await die(supervisors[1]);
            else await once(signal, 'abort');
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(outcome).to.include({ status: 'halted', sessions: 2 });
    expect(code).to.equal('session-dead');
    expect(outcome.counts).to.deep.equal({ total: 6, done: 0, failed: 0, cancelled: 6, skipped: 0 });
    expect(left).to.equal(0);
  });

  it('ends the run as halted with code restart-limit if a slot dies too often, and fails no item', async () => {
    const { outcome, code, left } = await runScripted({
      options: { supervisor: { restartLimit: { limit: 1, windowMs: 60_000 } } },
      run: async ({ batch }, { supervisors, die }) => {
        const meet = makeMeeting(2);
        await batch(
          'b',
          items(4),
          async (_item, { driver, signal }) => {
            await meet();
            const id = (await driver.getSession()).getId();
            if (id === supervisors[1]?.sessionId) await die(supervisors[1]);
            else await once(signal, 'abort');
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(outcome).to.include({ status: 'halted' });
    expect(code).to.equal('restart-limit');
    expect(outcome.counts).to.include({ total: 4, failed: 0, cancelled: 4 });
    expect(left).to.equal(0);
  });

  it('ends the run with a critical API failure on a slot, also if its worker catches it (R106)', async () => {
    await using site = await openScriptedWebDriver({ answers: { '/broken': { status: 500, body: '' } } });
    const { outcome, code } = await runScripted({
      baseUrl: site.url,
      options: { supervisor: { apiRetries: 0, criticalFailureThreshold: 3 } },
      run: async ({ batch }, { supervisors }) => {
        const meet = makeMeeting(2);
        await batch(
          'b',
          ['a', 'b'],
          async (_item, { driver, api }) => {
            await meet();
            if ((await driver.getSession()).getId() === supervisors[0]?.sessionId) return;
            for (let call = 0; call < 3; call += 1) await api.fetch('/broken').catch(() => undefined);
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(outcome.status).to.equal('failed');
    expect(code).to.equal('api-outage');
  });
});
