import { expect } from 'chai';
import { defineAction, runAction, z, type SessionSupervisor, type WebDriver } from 'webdriver-supervisor';
import { leftovers, newLeftovers, openFaultSite, strikeSession } from 'webdriver-supervisor/testing';
import { ConfigError } from '../../src/core/errors.ts';
import { LogWatch } from '../support/log-watch.ts';
import { rejectionOf } from '../support/rejection.ts';
import { makeTestConfig, runScripted } from '../support/scripted-run.ts';

const WAITS = 'waits for its promotion';

function gate(): PromiseWithResolvers<void> {
  return Promise.withResolvers();
}

describe('A run with a standby', () => {
  it('has one for all sessions of its batches: the one that dies first gets it, then another one is started', async () => {
    const watch = new LogWatch();
    const promoted: boolean[] = [];
    const { outcome, left } = await runScripted({
      options: { standby: true, sessions: 3, log: watch.log },
      run: async ({ batch }, { server, supervisors, die }) => {
        const [together, first, second] = [gate(), gate(), gate()];
        /** Ends the session of a slot. The gate opens when the slot has its next session. */
        const strike = async (slot: number, { from, next }: { from: number; next: PromiseWithResolvers<void> }) => {
          await watch.next(WAITS, from);
          const ids = server.sessionIds;
          expect(ids).to.have.length(4);
          supervisors[slot]!.on('session:started', () => {
            promoted.push(ids.includes(supervisors[slot]!.sessionId!));
            next.resolve();
          });
          await die(supervisors[slot]);
        };
        const work = async (_item: number, { driver }: { driver: WebDriver }) => {
          const id = (await driver.getSession()).getId();
          if (supervisors.length === 3) together.resolve();
          await together.promise;
          const slot = supervisors.findIndex(({ sessionId }) => sessionId === id);
          if (slot === 1 && promoted.length === 0) await strike(1, { from: 0, next: first });
          if (slot === 2 && promoted.length < 2) {
            await first.promise;
            await strike(2, { from: watch.lines.length, next: second });
          }
          await second.promise;
        };
        await batch('items', [1, 2, 3], work, { key: String, sessions: 3 });
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null, sessions: 5 });
    expect(outcome.deaths).to.have.length(2);
    expect(promoted).to.deep.equal([true, true]);
    expect(left).to.equal(0);
  });

  it('has the data of an undisturbed run although its browsers die, on a real browser', async () => {
    const before = leftovers();
    const watch = new LogWatch();
    await using site = await openFaultSite();
    const opened: SessionSupervisor[] = [];
    let from = 0;
    const promoted: boolean[] = [];
    const action = defineAction({
      name: 'standby',
      description: 'Reads a title in each step.',
      params: z.object({}),
      prepare: async ({ driver }) => driver.get(`${site.url}/ok`),
      run: async ({ driver, step }) => {
        for (const number of [1, 2, 3]) {
          await step(`step ${number}`, async ({ save }) => {
            save({ number, title: await driver.getTitle() }, { key: String(number) });
          });
          await step(`death ${number}`, async () => {
            if (promoted.length >= number) return;
            const standby = (await watch.next(WAITS, from))['browser'];
            from = watch.lines.length;
            const [supervisor] = opened as [SessionSupervisor];
            promoted[number - 1] = false;
            const off = supervisor.on('session:started', () => {
              promoted[number - 1] = supervisor.pids.browser === standby;
              off();
            });
            await strikeSession('browser-killed', supervisor);
            await driver.getTitle();
          });
        }
      },
    });
    const outcome = await runAction(
      action,
      {},
      {
        config: makeTestConfig(),
        output: false,
        standby: true,
        log: watch.log,
        onSession: (supervisor) => opened.push(supervisor),
      },
    );
    expect(outcome).to.include({ status: 'completed', records: 3, sessions: 4 });
    expect(promoted).to.deep.equal([true, true, true]);
    expect(newLeftovers(before).folders).to.deep.equal([]);
  });

  it('is refused before a browser starts if its profile can’t be used twice', async () => {
    const run = runScripted({
      options: { standby: true, supervisor: { userDataDir: '/profile' } },
      run: () => undefined,
    });
    expect(await rejectionOf(run)).to.be.instanceOf(ConfigError);
  });
});
