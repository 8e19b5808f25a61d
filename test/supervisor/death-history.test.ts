import { expect } from 'chai';

import type { DeathReason } from '../../src/model/death.ts';
import { nextEvent, rejectionOf, startScripted, type Scripted } from './support.ts';

const KILLED = 'invalid session id: session deleted as the browser has closed the connection';

/** Lets the session die at a page, and starts the next one. Returns the reason of the death. */
async function dieAt(url: string, { supervisor, server }: Scripted): Promise<DeathReason | undefined> {
  await supervisor.driver.get(url);
  server.endSession(undefined, KILLED);
  const dead = nextEvent(supervisor, 'session:dead');
  await rejectionOf(supervisor.driver.getTitle());
  await dead;
  const reason = supervisor.health.death?.diagnosis.reason;
  supervisor.noteProgress();
  await supervisor.restart();
  return reason;
}

describe('The deaths of one supervisor', () => {
  it('name the page as the reason from the third death at it, if nothing else is known', async () => {
    await using scripted = await startScripted({ restartLimit: { limit: 20, windowMs: 60_000, firstBackoffMs: 0 } });
    const reasons: (DeathReason | undefined)[] = [];
    for (const page of ['a', 'b', 'a', 'b', 'a', 'c']) reasons.push(await dieAt(`http://shop.test/${page}`, scripted));
    expect(reasons).to.deep.equal(['unknown', 'unknown', 'unknown', 'unknown', 'page', 'unknown']);
  });

  it('do not count if they have another reason than the page', async () => {
    await using scripted = await startScripted({ restartLimit: { limit: 20, windowMs: 60_000, firstBackoffMs: 0 } });
    const { supervisor } = scripted;
    const url = 'http://shop.test/a';
    for (const cause of ['lease-lost', 'timed_out', 'network-lost'] as const) {
      await supervisor.driver.get(url);
      supervisor.declareDeath({ cause, detectedBy: 'registry', message: '' });
      supervisor.noteProgress();
      await supervisor.restart();
    }
    expect(await dieAt(url, scripted)).to.equal('unknown');
  });

  it('are not shared with another supervisor', async () => {
    await using one = await startScripted({ restartLimit: { limit: 20, windowMs: 60_000, firstBackoffMs: 0 } });
    await using other = await startScripted({ restartLimit: { limit: 20, windowMs: 60_000, firstBackoffMs: 0 } });
    const url = 'http://shop.test/a';
    expect([await dieAt(url, one), await dieAt(url, one)]).to.deep.equal(['unknown', 'unknown']);
    expect([await dieAt(url, other), await dieAt(url, one)]).to.deep.equal(['unknown', 'page']);
  });
});
