import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { SessionStartError } from '../../src/driver/death.ts';
import { localBrowser } from './support/local-browser.ts';
import { rejectionOf } from './support/programs.ts';
import { openSession } from './support/sessions.ts';

/** Sets a variable of this process, which the browser inherits; undefined removes it. */
function setVariable(name: string, value: string | undefined): Disposable {
  const before = process.env[name];
  const set = (text: string | undefined) => {
    if (text === undefined) delete process.env[name];
    else process.env[name] = text;
  };
  set(value);
  return { [Symbol.dispose]: () => set(before) };
}

describe('A start error of a real browser', () => {
  it('reports that there is no display', async () => {
    using _display = setVariable('DISPLAY', undefined);
    using _wayland = setVariable('WAYLAND_DISPLAY', undefined);
    const error = await rejectionOf(openSession(await localBrowser(), { browser: { headless: false } }));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.match(/there is no display .*--headed/);
  });

  it('reports that there is no temporary folder', async () => {
    using _folder = setVariable('TMPDIR', '/no/such');
    const error = await rejectionOf(openSession(await localBrowser()));
    expect(error.message).to.match(/temporary folder .* does not exist/);
  });

  it('names the process of another session that uses the profile', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'p-'));
    try {
      await using first = await openSession(await localBrowser(), { browser: { userDataDir: folder } });
      const error = await rejectionOf(openSession(await localBrowser(), { browser: { userDataDir: folder } }));
      expect(error.message)
        .to.contain(folder)
        .and.match(/in use by process \d+ on/);
      expect(first.deaths).to.deep.equal([]);
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});
