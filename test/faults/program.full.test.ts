import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import {
  CAUSE_OF_FAULT,
  freeze,
  killProcess,
  leftovers,
  newLeftovers,
  readDriverCommands,
  rendererProcesses,
  writeRecordingDriver,
  type SessionFault,
} from 'webdriver-supervisor/testing';

import { openDemoShop, type DemoShop } from '../../scripts/demo-shop/demo-shop.ts';
import { findChromedriver } from '../support/real-driver.ts';
import { Program } from './program.ts';

const KILLS = 2;
const PAGES = 10;
/** The listing and its 20 products. */
const UNITS = PAGES * 21;
/** A frozen process is detected after the interval and the timeout. A socket reports the other faults. */
const QUICK_HEARTBEAT = { HEARTBEAT_INTERVAL_SECONDS: '1', HEARTBEAT_TIMEOUT_SECONDS: '1' };
const ON_THE_WIRE_MS = 50;

describe('The program, if its browser is killed', () => {
  let folder: string;
  let shop: DemoShop;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'program-'));
    shop = await openDemoShop({ pages: PAGES });
  });

  after(async () => {
    await shop.close();
    rmSync(folder, { recursive: true });
  });

  const args = (name: string, ...more: string[]): string[] => [
    'run',
    'gather-catalog',
    '--url',
    shop.url,
    '--output',
    path.join(folder, name),
    '--json',
    ...more,
  ];

  const strikes: Record<
    Exclude<SessionFault, 'quit-elsewhere'>,
    (program: Program, browser: number) => Promise<unknown>
  > = {
    'browser-killed': async (_program, browser) => killProcess(browser),
    'driver-killed': async (program) => killProcess((await program.driver()).pid),
    'tab-crashed': async (_program, browser) => rendererProcesses(browser).forEach(({ pid }) => killProcess(pid)),
    'browser-frozen': (_program, browser) => freeze(browser),
    'driver-frozen': async (program) => freeze((await program.driver()).pid),
  };

  for (const [fault, strike] of Object.entries(strikes)) {
    const times = fault.endsWith('frozen') ? 1 : KILLS;

    it(`ends with the data of an undisturbed run after ${times} × ${fault} (R107, R110)`, async () => {
      const program = Program.start(args(fault), { env: QUICK_HEARTBEAT });
      const known: number[] = [];
      for (let strikesDone = 0; strikesDone < times; strikesDone += 1) {
        const { pid } = await program.browser(known);
        known.push(pid);
        // The kill comes only after the session works, because a failed start of a session is not a death.
        await shop.waitForRequests('details', { more: 10, signal: program.signal });
        await strike(program, pid);
      }
      expect(await program.ended(), program.stderr.join('\n')).to.deep.equal({ code: 0, signal: null });
      const { outcome } = program;
      expect(outcome.status).to.equal('completed');
      expect(outcome.counts).to.deep.equal({ total: UNITS, done: UNITS, failed: 0, cancelled: 0, skipped: 0 });
      expect(outcome.deaths.map(({ cause }) => cause)).to.deep.equal(
        Array.from({ length: times }, () => CAUSE_OF_FAULT[fault as SessionFault]),
      );
      for (const { detectedBy } of outcome.deaths) {
        expect(['devtools', 'command', 'driver-exit', 'heartbeat']).to.include(detectedBy);
      }
      const lines = readFileSync(outcome.outputs['records']!, 'utf8').trimEnd().split('\n');
      expect(lines).to.deep.equal(shop.expectedRecords().map((record) => JSON.stringify(record)));
    });
  }

  it('halts with --no-recover with exit code 3, counts that add up, and no further command (R105, R110)', async () => {
    const log = path.join(folder, 'wire.log');
    const driver = writeRecordingDriver({ folder, chromedriver: findChromedriver(), log });
    const program = Program.start(args('halted', '--no-recover'), { env: { CHROMEDRIVER: driver } });
    const { pid } = await program.browser();
    await shop.waitForRequests('details', { more: 30, signal: program.signal });
    killProcess(pid);
    expect(await program.ended()).to.deep.equal({ code: 3, signal: null });
    const { outcome } = program;
    expect(outcome).to.include({ status: 'halted', sessions: 1 });
    const { total, done, failed, cancelled, skipped } = outcome.counts;
    expect(done + failed + cancelled + skipped).to.equal(total);
    expect(cancelled).to.be.greaterThan(0);
    expect(outcome.deaths).to.have.length(1);
    const [death] = outcome.deaths;
    expect(death!.cause).to.equal('browser-gone');
    expect(death!.evidence.url).to.contain('/catalog?page=');
    expect(death!.evidence.lastCommands.length).to.be.greaterThan(0);
    const late = readDriverCommands(log).filter(
      ({ atEpochMs, sessionId }) => sessionId !== undefined && atEpochMs > Date.parse(death!.at) + ON_THE_WIRE_MS,
    );
    expect(late).to.deep.equal([]);
  });

  it('prints the root cause in the first line of its summary', async () => {
    const program = Program.start([
      'run',
      'gather-catalog',
      '--url',
      shop.url,
      '--output',
      path.join(folder, 'summary'),
      '--no-recover',
    ]);
    const { pid } = await program.browser();
    await shop.waitForRequests('details', { more: 10, signal: program.signal });
    killProcess(pid);
    expect(await program.ended()).to.include({ code: 3 });
    expect(program.stdout[0]).to.match(/browser-gone/);
    expect(
      program.stderr.filter((line) => /browser-gone/.test(line)),
      'root-cause lines in the log',
    ).to.have.length(1);
  });

  it('leaves nothing behind 2 s after a kill -9', async () => {
    const before = leftovers();
    const program = Program.start(args('killed'));
    await program.browser();
    await shop.waitForRequests('details', { more: 10, signal: program.signal });
    killProcess(program.pid);
    const killedAt = performance.now();
    await program.ended();
    let left = newLeftovers(before);
    while (left.processes.length + left.folders.length > 0 && performance.now() - killedAt < 2_000) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      left = newLeftovers(before);
    }
    expect(left).to.deep.equal({ processes: [], folders: [] });
  });

  it('recovers an action that contains no session code (R107)', async () => {
    const file = path.join(folder, 'plain.ts');
    writeFileSync(
      file,
      `import { defineAction, z } from 'webdriver-supervisor';
export default defineAction({
  name: 'plain',
  description: 'Ordinary selenium code.',
  params: z.object({ url: z.url() }),
  async run({ driver, params, step, save }) {
    await driver.get(params.url);
    for (let page = 1; page <= ${PAGES}; page += 1) {
      await step('page ' + page, async ({ save: saveRecord }) => {
        await driver.get(params.url + '/catalog?page=' + page);
        saveRecord({ page, title: await driver.getTitle() }, { key: String(page) });
      });
    }
    await save({ page: 'all' }, { key: 'all' });
  },
});
`,
    );
    const program = Program.start(['run', file, '--url', shop.url, '--output', path.join(folder, 'plain'), '--json']);
    const known: number[] = [];
    for (let kills = 0; kills < 2; kills += 1) {
      const { pid } = await program.browser(known);
      known.push(pid);
      await shop.waitForRequests('listing', { more: 3, signal: program.signal });
      killProcess(pid);
    }
    expect(await program.ended()).to.include({ code: 0 });
    expect(program.outcome).to.include({ status: 'completed', records: PAGES + 1, sessions: 3 });
    expect(program.outcome.counts).to.include({ total: PAGES, done: PAGES });
  });
});
