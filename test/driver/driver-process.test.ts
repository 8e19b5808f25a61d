import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { useFakeTimers } from 'sinon';
import { isAlive, killProcess, leftovers, newLeftovers, waitUntilGone } from 'webdriver-supervisor/testing';
import { SessionStartError } from '../../src/driver/death.ts';
import { DriverProcess } from '../../src/driver/driver-process.ts';
import { send } from '../support/send.ts';
import { localBrowser } from './support/local-browser.ts';
import { rejectionOf, writeProgram } from './support/programs.ts';

const { signal: NEVER } = new AbortController();
const LISTENING_LINE = 'echo "ChromeDriver was started successfully on port 12345."';

interface Options {
  readonly signal?: AbortSignal;
  readonly onExit?: (words: string) => void;
}

function launch(driverPath: string, { signal = NEVER, onExit = () => undefined }: Options = {}) {
  return DriverProcess.launch({ driverPath, signal, onExit });
}

/** Runs work that must fail, and checks that neither a process nor a folder is left when it rejects. */
async function expectNothingLeft(work: () => Promise<unknown>): Promise<Error> {
  const before = leftovers();
  const error = await rejectionOf(work());
  const { processes, folders } = newLeftovers(before);
  await waitUntilGone(processes.map(({ pid }) => pid));
  expect(folders).to.deep.equal([]);
  return error;
}

describe('DriverProcess: a driver that does not start', () => {
  for (const { what, text, mode, words } of [
    {
      what: 'exits at once',
      text: '#!/bin/sh\necho "no such port" >&2\nexit 7\n',
      mode: 0o755,
      words: /code 7.*no such port/s,
    },
    { what: 'is killed at once', text: '#!/bin/sh\nkill -9 $$\n', mode: 0o755, words: /SIGKILL/ },
    { what: 'may not be executed', text: '#!/bin/sh\n', mode: 0o644, words: /EACCES/ },
    {
      what: 'is not a program for this machine',
      text: '\u007fELF of another machine',
      mode: 0o755,
      words: /another kind of machine/,
    },
  ]) {
    it(`is named in a SessionStartError when it ${what}, and nothing is left`, async () => {
      await using program = await writeProgram(text, { mode });
      const error = await expectNothingLeft(() => launch(program.path));
      expect(error).to.be.instanceOf(SessionStartError);
      expect(error.message).to.contain(program.path).and.to.match(words).and.to.contain('CHROMEDRIVER');
    });
  }

  it('is named in a SessionStartError when it does not exist, and nothing is left', async () => {
    const error = await expectNothingLeft(() => launch('/nowhere/chromedriver'));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain('/nowhere/chromedriver does not exist any more');
  });

  it('is named in a SessionStartError when it never listens, and nothing is left', async () => {
    await using program = await writeProgram('#!/bin/sh\necho "on port 0"\necho thinking\nexec sleep 1000\n');
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const failing = expectNothingLeft(() => launch(program.path));
      await clock.tickAsync(20_000);
      // The end of the driver has its own limit, which is not reached.
      const error = await failing;
      expect(error).to.be.instanceOf(SessionStartError);
      expect(error.message).to.contain(program.path).and.to.contain('not listening after 20 s');
      expect(clock.countTimers()).to.equal(0);
    } finally {
      clock.restore();
    }
  });

  it('rejects with the reason of the signal while it waits, and nothing is left', async () => {
    await using program = await writeProgram('#!/bin/sh\nexec sleep 1000\n');
    const halt = new AbortController();
    const reason = new Error('no longer wanted');
    const failing = expectNothingLeft(() => launch(program.path, { signal: halt.signal }));
    halt.abort(reason);
    expect(await failing).to.equal(reason);
  });

  it('does not start if the signal was already aborted', async () => {
    await using program = await writeProgram(`#!/bin/sh\necho started > "$(dirname "$0")/trace"\nexec sleep 1000\n`);
    const reason = new Error('no longer wanted');
    const error = await expectNothingLeft(() => launch(program.path, { signal: AbortSignal.abort(reason) }));
    expect(error).to.equal(reason);
    expect(existsSync(join(program.path, '../trace'))).to.equal(false);
  });
});

describe('DriverProcess: a driver that listens', () => {
  it('has its own process group and its own short temporary folder', async () => {
    await using program = await writeProgram(
      `#!/bin/sh\nprintf %s "$TMPDIR" > "$TMPDIR/seen"\n${LISTENING_LINE}\nexec sleep 1000\n`,
    );
    const driver = await launch(program.path);
    try {
      expect(driver.url).to.match(/^http:\/\/127\.0\.0\.1:12345\/[0-9a-f]{32}$/);
      expect(readFileSync(join(driver.folder, 'seen'), 'utf8')).to.equal(driver.folder);
      expect(driver.folder.length).to.be.below(40);
      expect(isAlive(driver.pid)).to.equal(true);
      expect(await driver.exitsWithin(1)).to.equal(false);
    } finally {
      await driver.killNow();
    }
  });

  it('refuses requests without its path, such as those of pages and other users of the machine', async () => {
    const driver = await launch((await localBrowser()).driverPath);
    try {
      const { origin } = new URL(driver.url);
      for (const path of [
        '/status',
        '/sessions',
        '/session',
        '/shutdown',
        '/wd/hub/status',
        `/${'0'.repeat(32)}/status`,
      ]) {
        const method = path === '/session' ? 'POST' : 'GET';
        expect((await send(origin + path, { method })).status, path).to.equal(400);
      }
      expect((await send(`${driver.url}/status`)).status).to.equal(200);
    } finally {
      await driver.killNow();
    }
  });

  it('does not count as listening while its port is only half read', async () => {
    await using program = await writeProgram(
      '#!/bin/sh\nprintf "started successfully on port 12"\nsleep 0.1\nprintf "345.\\n"\nexec sleep 1000\n',
    );
    const driver = await launch(program.path);
    await driver.killNow();
    expect(driver.url).to.match(/^http:\/\/127\.0\.0\.1:12345\/[0-9a-f]{32}$/);
  });

  it('reports an unrequested exit once, with its reason', async () => {
    await using program = await writeProgram(`#!/bin/sh\n${LISTENING_LINE}\nexec sleep 1000\n`);
    const exited = Promise.withResolvers<string>();
    const driver = await launch(program.path, { onExit: exited.resolve });
    killProcess(driver.pid);
    expect(await exited.promise).to.equal('the driver was ended by SIGKILL');
    expect(await driver.exitsWithin(1)).to.equal(true);
    await driver.killNow();
  });

  it('is ended once with all its children and its folder, regardless of the number of requests, without a report', async () => {
    await using program = await writeProgram(
      `#!/bin/sh\nsleep 1000 &\necho $! > "$TMPDIR/child"\n${LISTENING_LINE}\nexec sleep 1000\n`,
    );
    const reports: string[] = [];
    const before = leftovers();
    const driver = await launch(program.path, { onExit: (words) => void reports.push(words) });
    const child = Number(readFileSync(join(driver.folder, 'child'), 'utf8'));
    await Promise.all([driver.killNow(), driver.killNow()]);
    await driver.killNow();
    await waitUntilGone([driver.pid, child]);
    expect(existsSync(driver.folder)).to.equal(false);
    expect(newLeftovers(before).processes).to.deep.equal([]);
    expect(reports).to.deep.equal([]);
  });

  it('leaves no child after it was killed itself', async () => {
    await using program = await writeProgram(
      `#!/bin/sh\nsleep 1000 &\necho $! > "$TMPDIR/child"\n${LISTENING_LINE}\nexec sleep 1000\n`,
    );
    const driver = await launch(program.path);
    const child = Number(readFileSync(join(driver.folder, 'child'), 'utf8'));
    killProcess(driver.pid);
    await driver.exitsWithin(1_000);
    expect(isAlive(child)).to.equal(true);
    await driver.killNow();
    await waitUntilGone([child]);
  });
});
