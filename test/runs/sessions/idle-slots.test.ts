import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { makeTestConfig, runScripted } from '../../support/scripted-run.ts';
import { items, key, makeMeeting } from './meeting.ts';

describe('The sessions of slots that no item uses', () => {
  it('end while the last item still runs, and are started again and prepared for added items', async () => {
    await using server = await openScriptedWebDriver();
    const prepared: string[] = [];
    const { outcome } = await runScripted({
      server,
      owner: 'me',
      options: { config: makeTestConfig({ idleSessionMs: 20 }) },
      prepare: ({ session }) => void prepared.push(session.owner),
      run: async ({ batch, session }) => {
        const meet = makeMeeting(3);
        const meetAgain = makeMeeting(3);
        await batch(
          'b',
          items(3),
          async (item, { driver, add }) => {
            if (item.startsWith('added')) return meetAgain();
            await meet();
            if ((await driver.getSession()).getId() !== session.id) return;
            await server.waitForRequest('DELETE /session/:id', { count: 2 });
            add('added 1');
            add('added 2');
            await meetAgain();
          },
          { key, sessions: 3 },
        );
      },
    });
    expect(outcome.error).to.equal(null);
    expect(outcome).to.include({ status: 'completed', sessions: 5 });
    expect(outcome.counts).to.include({ total: 5, done: 5 });
    expect(prepared.toSorted()).to.deep.equal(['me', 'me#2', 'me#2', 'me#3', 'me#3']);
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('stay until the run is over if the limit is 0', async () => {
    const { outcome } = await runScripted({
      options: { config: makeTestConfig({ idleSessionMs: 0 }) },
      run: async ({ batch }) => {
        for (const name of ['first', 'second']) {
          const meet = makeMeeting(2);
          await batch(name, items(2), () => meet(), { key, sessions: 2 });
        }
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 2 });
  });
});
