import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { assertBrowserFits } from '../../src/cli/check-browser.ts';
import { loadConfig } from '../../src/config/config.ts';
import { runCli } from './cli.ts';

describe('the versions of browser and driver', () => {
  /** The settings of programs that print their version only if the variable LICENCE is set. The versions differ, so no session starts. */
  async function makeWrappers() {
    const folder = await mkdtempDisposable(path.join(tmpdir(), 'wrappers-'));
    const [chrome, driver] = ['Chromium 156.0', 'ChromeDriver 155.0'].map(async (version, index) => {
      const file = path.join(folder.path, String(index));
      await writeFile(file, `#!/bin/sh\necho "\${LICENCE:+${version}}"\n`, { mode: 0o755 });
      return file;
    });
    const environment = { CHROME_BINARY: await chrome!, CHROMEDRIVER: await driver!, LICENCE: '42' };
    return {
      environment: { ...environment, BROWSER_ENVIRONMENT: 'LICENCE' },
      [Symbol.asyncDispose]: () => folder.remove(),
    };
  }

  it('are read with the variables of BROWSER_ENVIRONMENT before a run', async () => {
    await using wrappers = await makeWrappers();
    const fits = assertBrowserFits(loadConfig({ environment: wrappers.environment }));
    const refusal = await fits.catch(String);
    expect(refusal).to.contain('is 156.0').and.contain('is 155.0');
  });

  it('are read with the variables of BROWSER_ENVIRONMENT by doctor', async () => {
    await using wrappers = await makeWrappers();
    const { stdout } = await runCli(['doctor'], { environment: wrappers.environment });
    expect(stdout.replaceAll(/\s+/g, ' ')).to.contain('is 156.0').and.contain('is 155.0');
  });
});
