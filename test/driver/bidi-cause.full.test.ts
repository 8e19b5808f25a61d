import { expect } from 'chai';
import { killProcess } from 'webdriver-supervisor/testing';

import { localBrowser } from './support/local-browser.ts';
import { openSession } from './support/sessions.ts';

const ROUNDS = 5;

describe('A killed browser in a session with BiDi', () => {
  for (let round = 1; round <= ROUNDS; round += 1) {
    it(`is declared gone, not quit by another client, while nothing is in flight (${round})`, async () => {
      await using s = await openSession(await localBrowser(), { browser: { bidi: true } });
      killProcess(s.session.browserPid!);
      expect((await s.died).cause).to.equal('browser-gone');
    });

    it(`is declared gone, not quit by another client, while commands are sent (${round})`, async () => {
      await using s = await openSession(await localBrowser(), { browser: { bidi: true } });
      const sending = (async () => {
        for (;;) await s.driver.getTitle();
      })().catch(() => undefined);
      await s.driver.getTitle();
      killProcess(s.session.browserPid!);
      expect((await s.died).cause).to.equal('browser-gone');
      await sending;
    });
  }
});
