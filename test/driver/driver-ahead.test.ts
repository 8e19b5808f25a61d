import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';
import { freeze, isAlive, killProcess, leftovers, newLeftovers, waitUntilGone } from 'webdriver-supervisor/testing';
import { silentLog } from '../../src/core/log.ts';
import { DriverAhead } from '../../src/driver/driver-ahead.ts';
import type { DriverProcess, LaunchOptions } from '../../src/driver/driver-process.ts';
import { eventually } from '../support/eventually.ts';
import { driverProgramFor, rejectionOf } from './support/programs.ts';

const { signal: NEVER } = new AbortController();

describe('DriverAhead', () => {
  let clock: SinonFakeTimers;
  let ahead: DriverAhead;
  let program: Awaited<ReturnType<typeof driverProgramFor>>;
  const before = leftovers();
  const pids: number[] = [];

  beforeEach(async () => {
    program = await driverProgramFor(12345);
    const note = (_words: string, fields: object = {}) => 'pid' in fields && pids.push(Number(fields.pid));
    ahead = new DriverAhead({ ...silentLog, debug: note });
    clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });

  afterEach(async () => {
    clock.restore();
    await ahead.stop();
    await program[Symbol.asyncDispose]();
    pids.length = 0;
    const { processes, folders } = newLeftovers(before);
    expect({ processes, folders }).to.deep.equal({ processes: [], folders: [] });
  });

  /** Starts a driver ahead. Resolves with its pid when it waits. */
  async function waitForDriver(environment: Record<string, string> = {}): Promise<number> {
    ahead.beginSoon({ driverPath: program.path, environment });
    clock.tick(1_000);
    clock.restore();
    return eventually(async () => pids.at(-1), 'a driver waits');
  }

  function take(options: Partial<LaunchOptions> = {}): Promise<DriverProcess | undefined> {
    return ahead.take({
      driverPath: program.path,
      environment: {},
      onExit: () => undefined,
      signal: NEVER,
      ...options,
    });
  }

  it('starts a driver one second after it was asked to, and hands it out once, with its folder', async () => {
    ahead.beginSoon({ driverPath: program.path });
    clock.tick(999);
    expect(ahead.isWaiting).to.equal(false);
    expect(await take()).to.equal(undefined);
    const pid = await waitForDriver();
    const folders: string[] = [];
    const driver = await take({ onFolder: async (folder) => void folders.push(folder) });
    expect(driver?.pid).to.equal(pid);
    expect(folders).to.deep.equal([driver?.folder]);
    expect(await take()).to.equal(undefined);
    await driver?.killNow();
  });

  it('hands out a driver whose exit is reported to the session that has it', async () => {
    await waitForDriver();
    const exited = Promise.withResolvers<string>();
    const driver = await take({ onExit: exited.resolve });
    killProcess(driver!.pid);
    expect(await exited.promise).to.equal('the driver was ended by SIGKILL');
    await driver!.killNow();
  });

  it('ends a driver that has other environment variables than the session, and returns none', async () => {
    const pid = await waitForDriver({ TZ: 'Asia/Tokyo' });
    expect(await take({ environment: { TZ: 'UTC' } })).to.equal(undefined);
    await ahead.stop();
    expect(isAlive(pid)).to.equal(false);
  });

  it('returns none, and removes its folder, if the driver died while it waited', async () => {
    const pid = await waitForDriver();
    killProcess(pid);
    await eventually(async () => !ahead.isWaiting, 'the death is noticed');
    expect(await take()).to.equal(undefined);
  });

  it('returns none if the driver is suspended', async () => {
    const pid = await waitForDriver();
    await freeze(pid);
    expect(await take()).to.equal(undefined);
    await waitUntilGone([pid]);
  });

  it('ends the driver if its folder is refused, and rejects with the refusal', async () => {
    const pid = await waitForDriver();
    const refusal = new Error('the lease is lost');
    let folder = '';
    const onFolder = (given: string) => {
      folder = given;
      return Promise.reject(refusal);
    };
    expect(await rejectionOf(take({ onFolder }))).to.equal(refusal);
    expect([isAlive(pid), existsSync(folder)]).to.deep.equal([false, false]);
  });

  it('leaves nothing if it is stopped while the driver starts', async () => {
    ahead.beginSoon({ driverPath: program.path });
    clock.tick(1_000);
    expect(ahead.isWaiting).to.equal(true);
    clock.restore();
    await ahead.stop();
    expect([ahead.isWaiting, pids]).to.deep.equal([false, []]);
  });

  it('returns none if no driver can be started, without an error', async () => {
    ahead.beginSoon({ driverPath: '/nowhere/chromedriver' });
    clock.tick(1_000);
    clock.restore();
    expect(await take({ driverPath: '/nowhere/chromedriver' })).to.equal(undefined);
  });
});
