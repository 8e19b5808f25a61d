import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * Returns the settings of programs that print their version only if the variable LICENCE is set. The versions differ, so no session starts.
 */
export async function makeWrappers() {
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
