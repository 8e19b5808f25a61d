import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { freeze, unfreeze } from 'webdriver-supervisor/testing';

import { openDemoShop, type DemoShop } from '../../scripts/demo-shop/demo-shop.ts';
import { startChildScript } from '../support/child-script.ts';
import { TestPostgres } from '../support/postgres.ts';
import { Program } from './program.ts';

const PAGES = 10;
const LOCK_MS = 2_000;
const HANG_MS = 3_000;

describe('The program, with its registry in trouble', () => {
  let folder: string;
  let shop: DemoShop;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'program-'));
    shop = await openDemoShop({ pages: PAGES });
  });

  afterEach(async () => {
    await shop.close();
    rmSync(folder, { recursive: true });
  });

  const start = (registryUrl: string, ...more: string[]) =>
    Program.start(['run', 'gather-catalog', ...more, '--json'], { env: { REGISTRY_URL: registryUrl } });
  const begin = (registryUrl: string) => start(registryUrl, '--url', shop.url, '--output', folder);

  const expectWhole = async (program: Program, sessions = 1) => {
    expect(await program.ended(), program.stderr.join('\n')).to.deep.equal({ code: 0, signal: null });
    const { outcome } = program;
    expect(outcome).to.deep.include({ status: 'completed', deaths: [], sessions });
    expect(outcome.counts).to.include({ total: PAGES * 21, done: PAGES * 21 });
    const lines = readFileSync(outcome.outputs['records']!, 'utf8').trimEnd().split('\n');
    expect(lines).to.deep.equal(shop.expectedRecords().map((record) => JSON.stringify(record)));
  };

  it('continues when PostgreSQL is restarted twice during the run, and loses nothing (R410)', async () => {
    await using postgres = await TestPostgres.start();
    const program = begin(await postgres.createDatabase());
    for (let restart = 0; restart < 2; restart += 1) {
      await shop.waitForRequests('details', { more: 40, signal: program.signal });
      await postgres.stop();
      await postgres.start();
    }
    await expectWhole(program);
  });

  it('waits for a PostgreSQL that hangs for three seconds, without a death (invariant 3)', async () => {
    await using postgres = await TestPostgres.start();
    const program = begin(await postgres.createDatabase());
    await shop.waitForRequests('details', { more: 40, signal: program.signal });
    await freeze(postgres.pid, { tree: true });
    await new Promise((resolve) => setTimeout(resolve, HANG_MS));
    unfreeze(postgres.pid, { tree: true });
    await expectWhole(program);
  });

  it('waits while another process locks SQLite for two seconds, without a death (invariant 3)', async () => {
    const file = path.join(folder, 'registry.db');
    const program = begin(`sqlite:${file}`);
    await shop.waitForRequests('details', { more: 40, signal: program.signal });
    await using child = startChildScript('lock-holder.ts', file, `${LOCK_MS}`);
    expect(await child.nextLine()).to.equal('locked');
    await expectWhole(program);
  });

  it('fails with the reason if the disk is full, and can be resumed when there is space', async function () {
    const disk = path.join(folder, 'disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk], { encoding: 'utf8' });
    if (mounted.status !== 0) {
      this.test!.title += ` (skipped: no disk to fill: ${mounted.error?.message ?? mounted.stderr.trim()})`;
      this.skip();
    }
    try {
      const ballast = path.join(disk, 'ballast');
      writeFileSync(ballast, Buffer.alloc(7_500_000, 1));
      const url = `sqlite:${path.join(disk, 'registry.db')}`;
      const program = begin(url);
      expect(await program.ended(), program.stderr.join('\n')).to.deep.equal({ code: 1, signal: null });
      const { outcome } = program;
      expect(outcome).to.include({ status: 'failed' });
      expect(outcome.error).to.include({ code: 'registry-error' });
      expect(outcome.error!.message).to.contain('full').and.contain('make room');
      const { total, done, failed, cancelled, skipped } = outcome.counts;
      expect(done + failed + cancelled + skipped).to.equal(total);
      rmSync(ballast);
      await expectWhole(start(url, '--resume', outcome.runId), outcome.sessions + 1);
    } finally {
      spawnSync('umount', [disk]);
    }
  });
});
