import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';
import type { ItemTools } from 'webdriver-supervisor';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import type { SourceWarning } from '../../../src/analysis/analysis.ts';
import { runScripted } from '../../support/scripted-run.ts';
import { items, key, makeMeeting } from './meeting.ts';

describe('ctx.batch with sessions: start', () => {
  it('prepares each new session of a slot once, before its first item', async () => {
    const prepared: string[] = [];
    const { outcome } = await runScripted({
      prepare: ({ session }) => void prepared.push(`${session.owner} ${session.epoch}`),
      owner: 'me',
      run: async ({ batch }, { supervisors, die }) => {
        const meet = makeMeeting(2);
        const meetAgain = makeMeeting(2);
        await batch(
          'b',
          items(6),
          async (_item, { driver }) => {
            await meet();
            const id = (await driver.getSession()).getId();
            const slot = supervisors.find(({ sessionId }) => sessionId === id);
            expect(prepared).to.include(`${slot?.owner} ${slot?.epoch}`);
            if (slot === supervisors[1] && slot?.epoch === 1) await die(slot);
            else await meetAgain();
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(outcome.error).to.equal(null);
    expect(prepared.toSorted()).to.deep.equal(['me 1', 'me#2 1', 'me#2 2']);
  });

  it('fails the run if `prepare` throws on a slot, and leaves no session behind', async () => {
    const { outcome, code, left } = await runScripted({
      prepare: ({ session }) => {
        if (session.owner.endsWith('#2')) throw new Error('no login for slot 2');
      },
      run: async ({ batch }) => {
        await batch('b', items(3), (_item, { signal }) => once(signal, 'abort'), {
          key,
          sessions: 2,
        }).catch(() => undefined);
      },
    });
    expect(outcome).to.include({ status: 'failed' });
    expect(outcome.error?.message).to.equal('no login for slot 2');
    expect(code).to.equal('error');
    expect(left).to.equal(0);
  });

  it('fails the run if an item with a source warning is done again after a death, and names the location', async () => {
    const file = fileURLToPath(import.meta.url);
    const sourceWarnings: SourceWarning[] = [];
    const rows: string[] = [];
    const { outcome } = await runScripted({
      options: { sourceWarnings },
      run: async ({ batch }, { supervisors, die }) => {
        const meet = makeMeeting(2);
        let hasDied = false;
        const work = async (item: string, { driver }: ItemTools<string>) => {
          await meet();
          const own = supervisors.find(({ driver: other }) => other === driver);
          rows.push(item);
          if (own !== supervisors[1] || hasDied) return;
          hasDied = true;
          await die(own);
        };
        const calledAt = (line: number) => {
          const location = { file, line, column: 1, call: { file, line, column: 1 } };
          sourceWarnings.push({
            ...location,
            rule: 'outer-variable',
            message: 'it changes `rows`.',
            isModuleState: false,
          });
        };
        calledAt(Number(/:(\d+):\d+\)?$/m.exec(new Error('here').stack ?? '')?.[1]) + 1);
        await batch('b', items(2), work, { key, sessions: 2 });
      },
    });
    expect(outcome.error).to.include({ code: 'replay-diverged' });
    expect(outcome.error?.message).to.match(
      /^The item "item \d" of batch "b" was interrupted by the death of its session and is done again\. It changes `rows`\. \(test\/runs\/sessions\/slot-start\.test\.ts:\d+\) .*`--redo "b\/item \d"`\.$/,
    );
  });

  it('restarts a slot that dies in `prepare`, and counts that against no item', async () => {
    const { outcome, left } = await runScripted({
      prepare: async ({ session, driver }, { supervisors, die }) => {
        if (session.owner.endsWith('#2') && session.epoch < 3) await die(supervisors[1]);
        await driver.getTitle();
      },
      run: async ({ batch }) => {
        const meet = makeMeeting(2);
        await batch('b', items(2), () => meet(), { key, sessions: 2 });
      },
    });
    expect(outcome.error).to.equal(null);
    expect(outcome.counts).to.deep.equal({ total: 2, done: 2, failed: 0, cancelled: 0, skipped: 0 });
    expect(outcome.deaths).to.have.length(2);
    expect(left).to.equal(0);
  });

  it('does all items on the other slots while the session of one slot still starts', async () => {
    await using server = await openScriptedWebDriver();
    const { outcome } = await runScripted({
      server,
      run: async ({ batch }) => {
        const hold = server.hold('POST /session');
        const { counts } = await batch('b', items(6), () => hold.caught, { key, sessions: 2 });
        expect(counts.done).to.equal(6);
        expect(server.sessionIds).to.have.length(1);
        hold.release();
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('does all items on the other slots while one slot recovers from a death', async () => {
    await using server = await openScriptedWebDriver();
    const { outcome } = await runScripted({
      server,
      run: async ({ batch }, { supervisors, die }) => {
        const meet = makeMeeting(2);
        const isHeld = Promise.withResolvers<void>();
        let release = (): void => undefined;
        await batch(
          'b',
          items(6),
          async (_item, { driver }) => {
            await meet();
            const id = (await driver.getSession()).getId();
            if (id === supervisors[0]?.sessionId) return isHeld.promise;
            const hold = server.hold('POST /session');
            release = () => hold.release();
            void hold.caught.then(() => isHeld.resolve());
            await die(supervisors[1]);
          },
          { key, sessions: 2 },
        );
        release();
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(outcome.counts).to.include({ total: 6, done: 6 });
    expect(outcome.deaths).to.have.length(1);
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('ends a slot that is still starting at the end of the run', async () => {
    await using server = await openScriptedWebDriver();
    const { outcome } = await runScripted({
      server,
      options: { recover: false },
      run: async ({ batch }, { die }) => {
        const hold = server.hold('POST /session');
        let dying: Promise<void> | undefined;
        await batch(
          'b',
          ['a', 'b'],
          async () => {
            await hold.caught;
            hold.release();
            await (dying ??= die());
          },
          { key, sessions: 2 },
        );
      },
    });
    expect(outcome).to.include({ status: 'halted' });
    expect(outcome.counts).to.deep.equal({ total: 2, done: 0, failed: 0, cancelled: 2, skipped: 0 });
  });
});
