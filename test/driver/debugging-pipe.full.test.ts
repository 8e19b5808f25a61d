import { expect } from 'chai';
import { killProcess } from 'webdriver-supervisor/testing';

import { listProcesses } from '../../src/driver/process-table.ts';
import { localBrowser } from './support/local-browser.ts';
import { openSession } from './support/sessions.ts';

const BROWSER = { arguments: ['--remote-debugging-pipe'] };

describe('A browser with --remote-debugging-pipe, which has no DevTools port', () => {
  it('works, and a probe detects its death', async () => {
    await using s = await openSession(await localBrowser(), { browser: BROWSER });
    await s.driver.get('data:text/html,<title>hello</title>');
    expect(await s.driver.getTitle()).to.equal('hello');
    expect(s.session.capabilities['goog:chromeOptions']).to.equal(undefined);
    const browser = listProcesses().find(({ pid }) => pid === s.session.browserPid);
    expect(browser?.command).to.contain('--remote-debugging-pipe').and.not.contain('--remote-debugging-port');
    killProcess(s.session.browserPid!);
    expect(await s.session.probe('heartbeat')).to.equal(false);
    expect((await s.died).cause).to.equal('browser-gone');
  });
});
