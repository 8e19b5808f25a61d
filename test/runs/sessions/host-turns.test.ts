import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { runScripted } from '../../support/scripted-run.ts';
import { key } from './meeting.ts';

describe('ctx.batch with sessions: items of a slow host', () => {
  it('leave sessions to the items of other hosts that come after them', async () => {
    await using slow = await openScriptedWebDriver({ answers: { '/page': { status: 200, body: 'slow' } } });
    await using fast = await openScriptedWebDriver({ answers: { '/page': { status: 200, body: 'fast' } } });
    const ended: string[] = [];
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        const hold = slow.hold('/page');
        const urls = [
          ...[1, 2, 3, 4].map((number) => `${slow.url}/page?${number}`),
          ...[1, 2, 3].map((number) => `${fast.url}/page?${number}`),
        ];
        await batch(
          'b',
          urls,
          async (url, { api }) => {
            await api.fetch(url);
            ended.push(url);
            if (ended.length === 3) hold.release();
          },
          { key, sessions: 2, perHost: { concurrency: 1 }, hostOf: (url) => url },
        );
        expect(ended.slice(0, 3)).to.deep.equal(urls.slice(4));
        expect(ended.slice(3)).to.have.members(urls.slice(0, 4));
      },
    });
    expect(outcome.error).to.equal(null);
    expect(outcome.counts).to.include({ total: 7, done: 7 });
  });

  it('are refused if `hostOf` returns no URL', async () => {
    const { outcome } = await runScripted({
      run: async ({ batch }) => {
        await batch('b', ['a'], () => undefined, { key, hostOf: (item) => item });
      },
    });
    expect(outcome.error?.message).to.match(/`hostOf` returned a for a batch item; it must return a whole URL\.$/);
  });
});
