import { expect } from 'chai';
import { defineAction, runAction, z, type SessionSupervisor } from 'webdriver-supervisor';
import { killProcess, openFaultSite } from 'webdriver-supervisor/testing';

describe('A batch on several browsers', () => {
  it('loses only the slot whose browser is killed, and no page', async () => {
    await using site = await openFaultSite();
    const pages = Array.from({ length: 60 }, (_unused, index) => `/slow?ms=${150 + index}`);
    const supervisors: SessionSupervisor[] = [];
    const usedSessions = new Set<string>();
    let kills = 0;
    const action = defineAction({
      name: 'visits',
      description: 'Visits pages with three browsers.',
      params: z.object({}),
      async run({ batch }) {
        await batch(
          'pages',
          pages,
          async (page, { driver, save }) => {
            const sessionId = (await driver.getSession()).getId();
            usedSessions.add(sessionId);
            const third = supervisors.find(({ owner }) => owner.endsWith('#3'));
            if (kills === 0 && third?.sessionId === sessionId) kills = Number(killProcess(third.pids.browser!));
            await driver.get(site.url + page);
            save({ page, title: await driver.getTitle() }, { key: page });
          },
          { key: (page) => page, sessions: 3 },
        );
      },
    });
    const outcome = await runAction(
      action,
      {},
      { output: false, onSession: (supervisor) => void supervisors.push(supervisor) },
    );
    expect(outcome).to.include({ status: 'completed', records: 60, sessions: 4 });
    expect(outcome.counts).to.include({ total: 60, done: 60 });
    expect(outcome.deaths.map(({ cause }) => cause)).to.deep.equal(['browser-gone']);
    expect(supervisors.map(({ owner }) => owner.replace(outcome.owner, ''))).to.have.members(['', '#2', '#3']);
    expect(usedSessions.size).to.equal(4);
  });
});
