import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { installAdvice } from '../../src/cli/doctor/install-advice.ts';

/** Runs the set-up of this repository, in which everything is already installed. */
function runSetup(env: NodeJS.ProcessEnv = {}, ...args: string[]) {
  const startedAt = performance.now();
  const { status, stdout, stderr } = spawnSync('node', ['scripts/setup.mjs', ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr, durationMs: Math.round(performance.now() - startedAt) };
}

describe('setup: nothing to do', () => {
  it('prints nothing and succeeds', function () {
    runSetup();
    const { durationMs, ...result } = runSetup();
    expect(result).to.deep.equal({ status: 0, stdout: '', stderr: '' });
    // The time is shown and not asserted, because the machine may be busy. It should stay below 300 ms.
    this.test!.title += ` (took ${durationMs} ms)`;
  });

  it('looks for no browser with --no-browser', () => {
    expect(runSetup({ CHROME_BINARY: '/nowhere/chrome' }, '--no-browser')).to.include({ status: 0, stderr: '' });
  });

  it('needs no browser of its own when a Grid is set, or another browser', () => {
    expect(runSetup({ CHROME_BINARY: '/nowhere/chrome', GRID_URL: 'http://grid:4444' })).to.include({
      status: 0,
      stderr: '',
    });
    expect(runSetup({ CHROME_BINARY: '/nowhere/chrome', BROWSER: 'firefox' })).to.include({ status: 0, stderr: '' });
  });
});

describe('setup: wrong settings', () => {
  for (const setting of ['CHROME_BINARY', 'CHROMEDRIVER']) {
    it(`stops with exit code 2 and one line that names ${setting} and its path`, () => {
      const { status, stdout, stderr } = runSetup({ [setting]: '/nowhere/program' });
      expect({ status, stdout, stderr }).to.deep.equal({
        status: 2,
        stdout: '',
        stderr: `${setting}=/nowhere/program: the file does not exist. Correct ${setting}, or unset it to search for one.\n`,
      });
    });
  }
});

describe('setup: the command to type', () => {
  for (const [system, osRelease, command] of [
    ['Debian', 'NAME="Debian GNU/Linux"\nID=debian\n', 'sudo apt-get install chromium chromium-driver'],
    ['Ubuntu', 'ID=ubuntu\nID_LIKE=debian\n', 'sudo snap install chromium'],
    ['a relative of Debian', 'ID=raspbian\nID_LIKE=debian\n', 'sudo apt-get install chromium chromium-driver'],
    ['Fedora', 'ID=fedora\n', 'sudo dnf install chromium chromedriver'],
    ['Rocky', 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', 'sudo dnf install chromium chromedriver'],
    ['Arch', 'ID=arch\n', 'sudo pacman -S chromium'],
    ['Alpine', 'ID=alpine\n', 'sudo apk add chromium chromium-chromedriver'],
  ] as const) {
    it(`is the command of ${system}`, () => {
      expect(installAdvice({ platform: 'linux', osRelease, isRoot: false })).to.equal(command);
    });
  }

  it('has no sudo for root', () => {
    expect(installAdvice({ platform: 'linux', osRelease: 'ID=debian\n', isRoot: true })).to.equal(
      'apt-get install chromium chromium-driver',
    );
  });

  it('is the command of macOS', () => {
    expect(installAdvice({ platform: 'darwin', osRelease: '', isRoot: false })).to.equal(
      'brew install --cask google-chrome chromedriver',
    );
  });
});

describe('setup: package-lock.json', () => {
  const lock = readFileSync('package-lock.json', 'utf8');

  // With a partial mirror npm leaves them out, and the next `npm ci` refuses the file. scripts/complete-lock.mjs adds them.
  it('names the packages of every platform', () => {
    const { packages } = JSON.parse(lock) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const wanted = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies),
    );
    expect(wanted.filter((name) => !Object.hasOwn(packages, `node_modules/${name}`))).to.deep.equal([]);
  });

  it('contains no address of an npm registry', () => {
    expect(lock).not.to.contain('"resolved"');
  });
});
