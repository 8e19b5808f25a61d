import { expect } from 'chai';
import { defineAction, runAction, z } from 'webdriver-supervisor';
import { openFaultSite } from 'webdriver-supervisor/testing';

import { makeTestConfig } from '../../support/scripted-run.ts';

describe('The items of a batch on two real browsers', () => {
  it('make their calls in the page of their own browser', async () => {
    await using site = await openFaultSite();
    const calls: unknown[] = [];
    const action = defineAction({
      name: 'page-calls',
      description: 'An action of a test.',
      params: z.object({}),
      run: async ({ batch }) => {
        await batch(
          'b',
          ['1', '2', '3', '4'],
          async (item, { driver, api }) => {
            await driver.get(`${site.url}/ok?${item}`);
            const { headers } = await api.json<{ headers: { referer: string } }>('/echo', { via: 'page' });
            calls.push({ item, from: new URL(headers.referer).search });
          },
          { key: (item) => item, sessions: 2 },
        );
      },
    });
    const outcome = await runAction(action, {}, { output: false, config: makeTestConfig() });
    expect(outcome).to.include({ status: 'completed', error: null });
    const expected = ['1', '2', '3', '4'].map((item) => ({ item, from: `?${item}` }));
    expect(calls).to.have.deep.members(expected);
  });
});
