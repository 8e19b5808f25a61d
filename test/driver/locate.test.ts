import { expect } from 'chai';
import { chmod, mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { driverFamilyOf } from '../../src/driver/driver-family.ts';
import { locateBrowser, readVersions, versionsFit } from '../../src/driver/locate.ts';

/** Creates a temporary folder with fake programs, and options that search nowhere else. */
async function makeMachine(...programs: string[]) {
  const folder = await mkdtempDisposable(join(tmpdir(), 'locate-'));
  const at = (name: string) => join(folder.path, name);
  for (const program of programs) await writeProgram(at(program), '#!/bin/sh\n');
  return {
    at,
    options: { home: at('home'), folders: [], env: { PATH: at('bin') } },
    [Symbol.asyncDispose]: () => folder.remove(),
  };
}

async function writeProgram(path: string, text: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await chmod(path, 0o755);
  return path;
}

describe('locateBrowser', () => {
  it('uses explicit settings first', async () => {
    await using machine = await makeMachine('bin/chromium', 'bin/chromedriver', 'mine/chrome', 'mine/driver');
    const { at, options } = machine;
    const location = await locateBrowser({
      ...options,
      browserPath: at('mine/chrome'),
      driverPath: at('mine/driver'),
    });
    expect(location).to.deep.equal({ found: true, browserPath: at('mine/chrome'), driverPath: at('mine/driver') });
  });

  it('searches PATH in its order, then the usual folders', async () => {
    await using machine = await makeMachine('bin/chromium', 'other/google-chrome', 'other/chromedriver');
    const { at, options } = machine;
    const location = await locateBrowser({ ...options, folders: [at('other')] });
    expect(location).to.deep.equal({
      found: true,
      browserPath: at('bin/chromium'),
      driverPath: at('other/chromedriver'),
    });
  });

  for (const [name, browser, driver] of [
    ['firefox', 'bin/firefox-esr', 'home/.cache/webdriver-supervisor/geckodriver/bin/geckodriver'],
    ['MicrosoftEdge', 'bin/microsoft-edge', 'bin/msedgedriver'],
  ] as const) {
    it(`finds the programs of ${name} beside those of Chrome`, async () => {
      await using machine = await makeMachine('bin/chromium', 'bin/chromedriver', browser, driver);
      const { at, options } = machine;
      const location = await locateBrowser({ ...options, family: driverFamilyOf(name) });
      expect(location).to.deep.equal({ found: true, browserPath: at(browser), driverPath: at(driver) });
    });
  }

  it("uses the newest pair of Selenium Manager's cache last", async () => {
    const files = ['99.0.1', '156.0.2'].flatMap((version) =>
      ['chrome', 'chromedriver'].map((name) => `home/.cache/selenium/${name}/linux64/${version}/${name}`),
    );
    await using machine = await makeMachine(...files);
    const location = await locateBrowser(machine.options);
    expect(location).to.deep.equal({
      found: true,
      browserPath: machine.at(files[2]!),
      driverPath: machine.at(files[3]!),
    });
  });

  it('prefers the cached driver of a cached browser to one in PATH', async () => {
    const [browser, driver] = ['chrome', 'chromedriver'].map(
      (name) => `home/.cache/selenium/${name}/linux64/156.0.2/${name}`,
    );
    await using machine = await makeMachine(browser!, driver!, 'bin/chromedriver');
    const location = await locateBrowser(machine.options);
    expect(location).to.include({ found: true, driverPath: machine.at(driver!) });
  });

  for (const setting of ['CHROME_BINARY', 'CHROMEDRIVER'] as const) {
    const option = setting === 'CHROME_BINARY' ? 'browserPath' : 'driverPath';
    it(`reports a ${setting} that can't be run, with the reason`, async () => {
      await using machine = await makeMachine('bin/chromium', 'bin/chromedriver');
      const { at, options } = machine;
      await writeFile(at('plain'), '');
      for (const [path, reason] of [
        [at('absent'), 'does not exist'],
        [at('plain'), 'is not executable'],
        [at('bin'), 'is not a file'],
      ] as const) {
        expect(await locateBrowser({ ...options, [option]: path })).to.deep.equal({
          found: false,
          invalid: { setting, path, reason },
        });
      }
    });
  }

  it('reports which of the two is missing and the searched folders', async () => {
    await using machine = await makeMachine('bin/chromium');
    const { at, options } = machine;
    const location = await locateBrowser(options);
    expect(location).to.deep.equal({
      found: false,
      missing: 'driver',
      browserPath: at('bin/chromium'),
      driverPath: undefined,
      lookedIn: [at('bin'), at('home/.cache/selenium')],
    });
    expect(await locateBrowser({ home: at('home'), folders: [] })).to.include({ found: false, missing: 'both' });
  });

  it('ignores a script of Ubuntu that only advises to install a snap', async () => {
    await using machine = await makeMachine('bin/chromedriver');
    await writeProgram(
      machine.at('bin/chromium-browser'),
      '#!/bin/sh\necho "requires the chromium snap to be installed"\n',
    );
    expect(await locateBrowser(machine.options)).to.include({ found: false, missing: 'browser' });
  });
});

describe('readVersions', () => {
  it('returns the version numbers that both programs print', async () => {
    await using machine = await makeMachine();
    const browser = await writeProgram(
      machine.at('chrome'),
      '#!/bin/sh\necho "Chromium 156.0.8078.79 built on Debian GNU/Linux 12"\n',
    );
    const driver = await writeProgram(
      machine.at('chromedriver'),
      '#!/bin/sh\necho "ChromeDriver 155.0.1 (a21ce95c24ce)"\n',
    );
    expect(await readVersions(browser, driver)).to.deep.equal({ browser: '156.0.8078.79', driver: '155.0.1' });
  });

  it('passes the additional variables of a session to both programs', async () => {
    await using machine = await makeMachine();
    const text = '#!/bin/sh\necho "Chromium ${LICENCE:?is not set}"\n';
    const programs = [await writeProgram(machine.at('chrome'), text), await writeProgram(machine.at('driver'), text)];
    expect(await readVersions(programs[0]!, programs[1]!, { LICENCE: '42.1' })).to.deep.equal({
      browser: '42.1',
      driver: '42.1',
    });
  });

  it('rejects with the error text of a failing program', async () => {
    await using machine = await makeMachine();
    const driver = await writeProgram(machine.at('chromedriver'), '#!/bin/sh\necho "ChromeDriver 155.0.1"\n');
    const browser = await writeProgram(
      machine.at('chrome'),
      '#!/bin/sh\necho "libnss3.so: cannot open shared object file" >&2\nexit 127\n',
    );
    const error = await readVersions(browser, driver).catch((reason: unknown) => String(reason));
    expect(error).to.contain('libnss3.so: cannot open');
  });
});

describe('versionsFit', () => {
  it('compares major versions', () => {
    expect(versionsFit('156.0.8078.79', '156.0.1.2')).to.equal(true);
    expect(versionsFit('156.0.8078.79', '15.0.8078.79')).to.equal(false);
  });
});
