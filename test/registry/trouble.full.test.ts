import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { killProcess, processState, unfreeze } from 'webdriver-supervisor/testing';

import { ConfigError } from '../../src/core/errors.ts';
import { openRegistry, RegistryError } from '../../src/registry/registry.ts';
import { startChildScript } from '../support/child-script.ts';
import { eventually } from '../support/eventually.ts';
import { listStored, numbers, openRun, RUN } from '../support/opened-run.ts';
import { rejectionOf } from '../support/rejection.ts';
import { isPending } from '../support/send.ts';

const LOCK_MS = 2_000;
const MAX_STALL_MS = 20;
const PAGE_BYTES = 4_096;

describe('A registry in SQLite, in trouble', () => {
  let folder: string;
  let file: string;
  let url: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'trouble-'));
    file = path.join(folder, 'registry.db');
    url = `sqlite:${file}`;
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  describe('that another process has locked', () => {
    it('stores a step and renews a lease as soon as the lock is released', async () => {
      await using run = await openRun(url);
      await using child = startChildScript('lock-holder.ts', file, `${LOCK_MS}`);
      const process = { host: 'here', pid: 1, identity: 'one' };
      await run.registry.leases.claim({ id: 's', owner: 's', holder: 'me', process, leaseMs: 60_000 });
      expect(await child.nextLine()).to.equal('locked');
      const writes = Promise.all([
        run.endStep(0),
        run.registry.leases.renew(
          'me',
          [{ id: 's', lastHeartbeatAt: null, lastUsedAt: '2030-01-01T00:00:00.000Z' }],
          1,
        ),
      ]);
      // Readers do not wait for locks.
      expect(await run.registry.runs.get(RUN)).to.include({ commitNumber: 0 });
      expect(await isPending(writes)).to.equal(true);
      await writes;
      expect(await listStored(run)).to.deep.equal({ steps: [0], records: [0] });
      expect(await run.registry.sessions.get('s')).to.include({ lastUsedAt: '2030-01-01T00:00:00.000Z' });
      expect(run.failures).to.deep.equal([]);
    });

    it('never blocks the event loop while it waits', async () => {
      await using run = await openRun(url);
      await run.endStep(0);
      // A busy machine stalls sometimes; a call that waits in SQLite stalls each time.
      const stalls: number[] = [];
      for (let attempt = 1; attempt <= 3 && !stalls.some((ms) => ms <= MAX_STALL_MS); attempt += 1) {
        await using child = startChildScript('lock-holder.ts', file, `${LOCK_MS}`);
        expect(await child.nextLine()).to.equal('locked');
        const begun = performance.now();
        stalls.push(await longestStallMs(() => run.endStep(attempt)));
        expect(performance.now() - begun).to.be.greaterThan(LOCK_MS / 2);
      }
      expect(Math.min(...stalls), `${stalls.join(', ')} ms`).to.be.at.most(MAX_STALL_MS);
    });

    it('is never left locked by a program that Ctrl+Z suspends while it writes', async () => {
      await using child = startChildScript('restless-writer.ts', url);
      expect(await child.nextLine()).to.equal('writing');
      await using registry = await openRegistry(url);
      for (let round = 0; round < 20; round += 1) {
        killProcess(child.pid, 'SIGTSTP');
        await eventually(async () => processState(child.pid) === 'T', 'the program to be suspended');
        await registry.leases.prove(1_000);
        unfreeze(child.pid);
        await eventually(async () => processState(child.pid) !== 'T', 'the program to go on');
      }
    });

    it('stores the end of a run even if the lock lasts longer than the interval of checks', async () => {
      await using run = await openRun(url);
      await run.endStep(0);
      await using child = startChildScript('lock-holder.ts', file, `${LOCK_MS + 1_000}`);
      expect(await child.nextLine()).to.equal('locked');
      await run.store.finish({ status: 'completed', error: null, outputs: {} });
      expect(run.failures).to.deep.equal([]);
      expect(await run.registry.runs.get(RUN)).to.include({ status: 'completed', commitNumber: 2, token: null });
    });
  });

  describe('that can’t be used', () => {
    for (const [what, spoil] of [
      ['random bytes', () => writeFileSync(file, randomBytes(100_000))],
      ['a text', () => writeFileSync(file, 'This is no database, and it is long enough to be none.\n'.repeat(100))],
    ] as const)
      it(`names a file of ${what}, and the solution`, async () => {
        spoil();
        const refused = await rejectionOf(openRegistry(url));
        expect(refused).to.be.instanceOf(RegistryError);
        expect(refused.message).to.contain(file).and.contain('damaged').and.contain('move it away');
      });

    it('names a file whose pages were overwritten', async () => {
      {
        await using run = await openRun(url);
        const record = { text: 'x'.repeat(500) };
        await run.registry.runs.setRecords(
          RUN,
          numbers(2_000).map((number) => ({ key: `${number}`, record })),
        );
      }
      overwrite(file, { from: 0.3, to: 0.9 });
      const refused = await rejectionOf(
        (async () => {
          await using registry = await openRegistry(url);
          await Array.fromAsync(registry.runs.listRecords(RUN));
        })(),
      );
      expect(refused).to.be.instanceOf(RegistryError);
      expect(refused.message).to.contain(file).and.contain('damaged').and.contain('restore a copy');
    });

    it('opens an empty file that another program created', async () => {
      writeFileSync(file, '');
      await using registry = await openRegistry(url);
      expect(await registry.sessions.count()).to.equal(0);
    });

    it('names a folder with the path of the file', async () => {
      mkdirSync(file);
      const refused = await rejectionOf(openRegistry(url));
      expect(refused).to.be.instanceOf(RegistryError);
      expect(refused.message).to.contain(file).and.contain('choose another with REGISTRY_URL');
    });

    for (const [what, makePath] of [
      ['below a file', () => path.join(file, 'below', 'registry.db')],
      ['below which no folder can be created', () => '/proc/nowhere/registry.db'],
    ] as const)
      it(`names a path ${what}`, async () => {
        writeFileSync(file, '');
        const registryPath = makePath();
        const refused = await rejectionOf(openRegistry(`sqlite:${registryPath}`));
        expect(refused).to.be.instanceOf(ConfigError);
        expect(refused.message).to.contain(path.dirname(registryPath)).and.contain('REGISTRY_URL');
      });
  });

  it('rejects writes on a full disk, preserves all confirmed data, and continues when there is space', async function () {
    const disk = path.join(folder, 'disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk], { encoding: 'utf8' });
    if (mounted.status !== 0) {
      this.test!.title += ` (skipped: no disk to fill: ${mounted.error?.message ?? mounted.stderr.trim()})`;
      this.skip();
    }
    try {
      const ballast = path.join(disk, 'ballast');
      writeFileSync(ballast, randomBytes(1_000_000));
      const full = `sqlite:${path.join(disk, 'registry.db')}`;
      let kept = 0;
      {
        await using run = await openRun(full);
        const refused = await rejectionOf(
          (async () => {
            for (; kept < 1_000; kept += 1) await run.endStep(kept, 'x'.repeat(20_000));
          })(),
        );
        expect(kept).to.be.greaterThan(10);
        expect(refused).to.be.instanceOf(RegistryError);
        expect(refused.message).to.contain('full').and.contain('make room');
        expect(run.failures).to.deep.equal([refused]);
        expect(await rejectionOf(run.endStep(kept + 1))).to.equal(refused);
        rmSync(ballast);
        // The failed transaction is over.
        await run.registry.runs.setProgress(RUN, { done: kept, total: 1_000 });
      }
      await using run = await openRun(full, 2);
      expect(await listStored(run)).to.deep.equal({ steps: numbers(kept), records: numbers(kept) });
      expect(run.store.recordCount).to.equal(kept);
      await run.endStep(kept);
      expect((await run.registry.runs.get(RUN))?.records).to.equal(kept + 1);
    } finally {
      spawnSync('umount', [disk]);
    }
  });
});

/** Returns the longest time for which the event loop was blocked during `work`. */
/** Returns the longest time between two turns of the event loop, without the time in which this thread waited for a processor. */
async function longestStallMs(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = readClock();
  const timer = setInterval(() => {
    const now = readClock();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  await work();
  clearInterval(timer);
  return Math.max(longest, readClock() - last);
}

/** The second field is the time that the main thread was ready to run and did not: https://docs.kernel.org/scheduler/sched-stats.html */
function readClock(): number {
  const [, delayNs = ''] = readFileSync('/proc/self/schedstat', 'utf8').split(' ');
  return performance.now() - Number(delayNs) / 1e6;
}

/** Overwrites the part of the file between two fractions with whole pages of random bytes. */
function overwrite(file: string, { from, to }: { from: number; to: number }): void {
  const pages = Math.floor(statSync(file).size / PAGE_BYTES);
  const descriptor = openSync(file, 'r+');
  for (let page = Math.floor(pages * from); page < pages * to; page += 1)
    writeSync(descriptor, randomBytes(PAGE_BYTES), 0, PAGE_BYTES, page * PAGE_BYTES);
  closeSync(descriptor);
}
