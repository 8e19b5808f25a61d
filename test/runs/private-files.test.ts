import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { openRegistry } from 'webdriver-supervisor';

import { silentLog } from '../../src/core/log.ts';
import { StateFile } from '../../src/supervisor/restore/state-file.ts';
import { runScripted } from '../support/scripted-run.ts';

/** Path -> mode, for every file and folder below `folder`. */
function modesBelow(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(entries.map((name) => [name, modeOf(path.join(folder, name))]));
}

function modeOf(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

describe('Files of a run', () => {
  let folder: string;
  let umask: number;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'private-'));
    umask = process.umask();
  });

  afterEach(() => {
    process.umask(umask);
    rmSync(folder, { recursive: true });
  });

  async function run(): Promise<void> {
    await using registry = await openRegistry(`sqlite:${path.join(folder, 'state/registry.db')}`);
    const { outcome } = await runScripted({
      run: async (context) => {
        await context.save({ title: 'Oak table' }, { key: 'one' });
        await context.screenshot('page');
        expect(context.folder).to.equal(path.join(folder, 'out/run'));
        // While the registry is open, the files beside it exist.
        expect(modesBelow(path.join(folder, 'state'))).to.include({
          'registry.db': '600',
          'registry.db-wal': '600',
          'registry.db-shm': '600',
        });
      },
      options: { registry, output: path.join(folder, 'out/run') },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
  }

  for (const mask of [0o000, 0o022, 0o077]) {
    it(`can be read only by their user, like their folders, with the umask ${mask.toString(8).padStart(3, '0')}`, async () => {
      process.umask(mask);
      await run();
      const state = new StateFile({ file: path.join(folder, 'login/state.json'), isPrivate: true, log: silentLog });
      await state.write(() => '{}', { isUrgent: true });
      const modes = modesBelow(folder);
      expect(modes).to.include({
        out: '700',
        'out/run': '700',
        'out/run/records.jsonl': '600',
        'out/run/screenshots': '700',
        'out/run/screenshots/page.png': '600',
        state: '700',
        'state/registry.db': '600',
        login: '700',
        'login/state.json': '600',
      });
      for (const [file, mode] of Object.entries(modes)) expect(mode, file).to.be.oneOf(['600', '700']);
    });
  }

  it('leave the modes of existing folders', async () => {
    mkdirSync(path.join(folder, 'out/run'), { recursive: true });
    chmodSync(path.join(folder, 'out'), 0o755);
    chmodSync(path.join(folder, 'out/run'), 0o775);
    await run();
    expect(modesBelow(folder)).to.include({ out: '755', 'out/run': '775', 'out/run/records.jsonl': '600' });
  });
});
