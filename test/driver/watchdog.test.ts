import { existsSync } from 'node:fs';

import { expect } from 'chai';
import { descendantsOf, isAlive, waitUntilGone } from 'webdriver-supervisor/testing';
import { startChildScript } from '../support/child-script.ts';
import { eventually } from '../support/eventually.ts';
import { expectNothingAfter } from './support/ended-program.ts';
import { localBrowser } from './support/local-browser.ts';
import { openSession } from './support/sessions.ts';

describe('Watchdog, on a real browser (invariant 6)', () => {
  it("leaves no driver, browser, watchdog or folder within 2 s of the program's end by kill -9", async () => {
    await expectNothingAfter('stay', { signal: 'SIGKILL' });
  });

  it('leaves no driver of a program that was killed while it started the driver', async () => {
    await using program = startChildScript('killed-launch.ts');
    const { pid, folder } = JSON.parse(await program.nextLine()) as { pid: number; folder: string };
    await program.kill();
    await waitUntilGone([pid], { timeoutMs: 2_000 });
    await eventually(async () => !existsSync(folder), 'the folder was removed');
  });

  it('ends with the session of a program that stops it, and kills nothing', async () => {
    const s = await openSession(await localBrowser());
    const { folder } = s.session.driverProcess!;
    const watchdog = descendantsOf(process.pid).find(({ command }) => command.includes(`watchdog ${folder}`));
    expect(isAlive(watchdog!.pid)).to.equal(true);
    await s.session.stop();
    expect(isAlive(watchdog!.pid)).to.equal(false);
  });
});
