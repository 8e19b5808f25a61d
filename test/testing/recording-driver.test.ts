import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  controlDriver,
  readDriverCommands,
  readDriverLog,
  writeRecordingDriver,
} from '../../src/testing/driver-recording.ts';
import { descendantsOf, findBrowserProcess, isAlive, killProcess, waitUntilGone } from '../../src/testing/processes.ts';
import { findChromedriver, startRealDriver } from '../support/real-driver.ts';
import { codeOf, send } from '../support/send.ts';

describe('writeRecordingDriver: an executable that replaces chromedriver', () => {
  let folder: string;
  let log: string;
  let executable: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "it's "));
    log = join(folder, 'commands.jsonl');
    executable = writeRecordingDriver({ folder: join(folder, 'bin'), chromedriver: findChromedriver(), log });
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('answers --version like the real driver', () => {
    const version = execFileSync(findChromedriver(), ['--version'], { encoding: 'utf8' });
    expect(execFileSync(executable, ['--version'], { encoding: 'utf8' })).to.equal(version);
    expect(readDriverLog(log)).to.deep.equal([]);
  });

  it('runs a real browser, with every command in the log', async () => {
    await using driver = await startRealDriver(executable);
    const session = await driver.openSession();
    expect(findBrowserProcess(driver.pid)?.pid).to.equal(session.browserPid);
    await send(`${session.url}/url`, { method: 'POST', body: { url: 'data:text/html,<title>recorded</title>' } });
    expect((await send(`${session.url}/title`)).json.value).to.equal('recorded');
    expect(readDriverCommands(log, session.id).map(({ method, path }) => `${method} ${path}`)).to.deep.equal([
      `POST /session/${session.id}/url`,
      `GET /session/${session.id}/title`,
    ]);
    const times = readDriverLog(log).map(({ atEpochMs }) => atEpochMs);
    expect(times).to.deep.equal(times.toSorted((a, b) => a - b));
    expect(Math.abs((times.at(-1) ?? 0) - Date.now())).to.be.lessThan(10_000);
    const group = descendantsOf(driver.pid).filter(({ pgid }) => pgid === driver.pid);
    expect(group.map(({ pid }) => pid)).to.include.members([controlDriver(log).driverPid, session.browserPid]);
  });

  it('cuts, swallows and refuses on command from another process', async () => {
    await using driver = await startRealDriver(executable);
    const remote = controlDriver(log);
    const cut = await remote.cutNextBody('GET /status');
    expect(await send(`${driver.url}/status`)).to.include({ status: 200, error: 'ECONNRESET' });
    expect((await cut.struck()).path).to.equal('/status');
    const swallowed = await remote.swallowNext(/GET \/status/);
    const controller = new AbortController();
    const code = codeOf(send(`${driver.url}/status`, { signal: controller.signal }));
    await swallowed.struck();
    controller.abort();
    expect(await code).to.equal('ABORT_ERR');
    await remote.refuse();
    expect(await codeOf(send(`${driver.url}/status`))).to.equal('ECONNRESET');
    await remote.restore();
    expect((await send(`${driver.url}/status`)).status).to.equal(200);
    expect((await remote.waitForRequest('/status', { count: 3 })).method).to.equal('GET');
  });

  it('ends by the signal that killed the real driver', async () => {
    await using driver = await startRealDriver(executable);
    const exited = once(driver.process, 'exit');
    killProcess(controlDriver(log).driverPid, 'SIGKILL');
    expect(await exited).to.deep.equal([null, 'SIGKILL']);
    expect(readDriverLog(log).at(-1)).to.include({ event: 'exited', signal: 'SIGKILL' });
  });

  it('exits with the code of the real driver after GET /shutdown', async () => {
    await using driver = await startRealDriver(executable);
    const exited = once(driver.process, 'exit');
    await send(`${driver.url}/shutdown`).catch(() => undefined);
    expect(await exited).to.deep.equal([0, null]);
  });

  it('forwards SIGTERM, and both processes end', async () => {
    await using driver = await startRealDriver(executable);
    const { driverPid } = controlDriver(log);
    const exited = once(driver.process, 'exit');
    killProcess(driver.pid, 'SIGTERM');
    await exited;
    await waitUntilGone([driverPid, driver.pid]);
    expect(isAlive(driverPid)).to.equal(false);
  });

  it('reports that no driver has started yet', () => {
    expect(() => controlDriver(log)).to.throw(log);
  });
});
