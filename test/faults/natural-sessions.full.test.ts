import { expect } from 'chai';
import { By, defineAction, runAction, until, z, type SessionSupervisor, type WebDriver } from 'webdriver-supervisor';
import { killProcess } from 'webdriver-supervisor/testing';

import { eventually } from '../support/eventually.ts';
import { NaturalSite } from '../fixtures/natural/site/natural-site.ts';

const SESSIONS = 3;

describe('A login in the first step, then a batch on several browsers', () => {
  let site: NaturalSite;

  before(async () => {
    site = await NaturalSite.open();
  });

  beforeEach(() => site.reset());

  after(() => site.close());

  /** The request of each item names its session. The first items wait for one another, so that every browser gets one. */
  const makeAction = (onItem: (sessionId: string) => Promise<void> | void) =>
    defineAction({
      name: 'login-then-sessions',
      description: 'Logs in with a step, then reads details with several browsers.',
      params: z.object({}),
      async run({ driver, step, batch }) {
        await step('log in', async () => {
          await driver.get(`${site.url}/login`);
          await driver.findElement(By.name('user')).sendKeys('ann');
          await driver.findElement(By.name('password')).sendKeys('open sesame');
          await driver.findElement(By.css('button')).click();
          await driver.wait(until.titleIs('Account'), 5_000);
        });
        const ids = Array.from({ length: 9 }, (_unused, index) => index + 1);
        const { results } = await batch(
          'items',
          ids,
          async (id, { driver: own, save, signal }) => {
            const sessionId = (await own.getSession()).getId();
            await own.get(`${site.url}/members/items/${id}?by=${sessionId}`);
            await site.waitForRequest(/by=/, { count: SESSIONS, signal });
            await onItem(sessionId);
            save({ id, title: await own.getTitle() }, { key: String(id) });
          },
          { key: String, sessions: SESSIONS },
        );
        expect(results.filter(({ status }) => status !== 'done')).to.deep.equal([]);
      },
    });

  const askers = () => {
    const asked = site.requests.filter(({ path }) => path.includes('by='));
    return Map.groupBy(asked, ({ path }) => /by=(.*)/.exec(path)?.[1] ?? '');
  };

  it('logs in all of them', async () => {
    const outcome = await runAction(
      makeAction(() => undefined),
      {},
      { output: false },
    );
    expect(outcome).to.include({ status: 'completed', records: 9 });
    const bySession = askers();
    expect(bySession.size).to.equal(SESSIONS);
    for (const [id, requests] of bySession)
      expect(
        requests.every(({ isLoggedIn }) => isLoggedIn),
        id,
      ).to.equal(true);
  });

  it('logs in the browser that replaces a killed one', async () => {
    const supervisors: SessionSupervisor[] = [];
    let victim: string | undefined;
    const action = makeAction(async (sessionId) => {
      const target = supervisors.find((supervisor) => supervisor.sessionId === sessionId);
      // The others leave items for the new session.
      if (victim !== undefined) await eventually(async () => askers().size > SESSIONS, 'a further session', 60_000);
      else if (target?.owner.endsWith('#2') === true) {
        victim = sessionId;
        killProcess(target.pids.browser!);
      }
    });
    const options = { output: false as const, onSession: (one: SessionSupervisor) => void supervisors.push(one) };
    const outcome = await runAction(action, {}, options);
    expect(outcome).to.include({ status: 'completed', records: 9 });
    expect(outcome.deaths.map(({ cause }) => cause)).to.deep.equal(['browser-gone']);
    const bySession = askers();
    expect([...bySession.keys()]).to.include(victim);
    expect(bySession.size).to.be.greaterThan(SESSIONS);
    for (const [id, requests] of bySession)
      expect(
        requests.every(({ isLoggedIn }) => isLoggedIn),
        id,
      ).to.equal(true);
  });

  it('names the item whose page had submitted a form on another browser that was killed', async () => {
    const supervisors: SessionSupervisor[] = [];
    let victim: string | undefined;
    const struck = Promise.withResolvers<void>();
    const action = defineAction({
      name: 'orders-with-sessions',
      description: 'Orders with several browsers.',
      params: z.object({}),
      async run({ batch }) {
        const order = async (item: string, own: WebDriver) => {
          await own.get(`${site.url}/order`);
          await own.findElement(By.name('item')).sendKeys(item);
          await own.findElement(By.css('button')).click();
          const sessionId = (await own.getSession()).getId();
          const target = supervisors.find((supervisor) => supervisor.sessionId === sessionId);
          // The other browsers get no further item before the second one has had one.
          if (target?.owner.endsWith('#2') !== true) return struck.promise;
          if (victim !== undefined) return;
          victim = item;
          killProcess(target.pids.browser!);
          struck.resolve();
          await own.getTitle();
        };
        await batch('orders', ['a', 'b', 'c', 'd'], (item, { driver: own }) => order(item, own), {
          key: String,
          sessions: SESSIONS,
        });
      },
    });
    const options = { output: false as const, onSession: (one: SessionSupervisor) => void supervisors.push(one) };
    const outcome = await runAction(action, {}, options);
    expect(outcome).to.include({ status: 'completed' });
    expect(victim).to.be.a('string');
    expect(outcome.repeatedEffects).to.deep.equal([`The item "${victim}" of batch "orders"`]);
  });
});
