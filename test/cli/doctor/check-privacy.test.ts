import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { checkPrivacy } from '../../../src/cli/doctor/check-privacy.ts';

describe('doctor: access to the data', () => {
  let folder: string;
  let cwd: string;

  beforeEach(() => {
    cwd = process.cwd();
    folder = mkdtempSync(path.join(tmpdir(), 'privacy-'));
    process.chdir(folder);
    chmodSync(folder, 0o755);
  });

  afterEach(() => {
    process.chdir(cwd);
    rmSync(folder, { recursive: true });
  });

  function write(file: string, mode: number): void {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, '');
    chmodSync(file, mode);
  }

  const check = (registryUrl = 'sqlite:.supervisor/registry.db') => checkPrivacy({ registryUrl });

  it('finds nothing if there are no data, or if all are private', () => {
    expect(check()).to.include({ name: 'privacy', status: 'ok' });
    write('.supervisor/registry.db', 0o600);
    write('output/a/records.jsonl', 0o600);
    expect(check()).to.include({ status: 'ok' });
    expect(check('postgres://db.test/shop')).to.include({ status: 'ok' });
  });

  it('names a registry that other users can read, and the way to change that', () => {
    write('.supervisor/registry.db', 0o644);
    write('.supervisor/registry.db-wal', 0o640);
    const { status, message, advice } = check();
    expect(status).to.equal('warning');
    expect(message).to.contain('2 files').and.contain('.supervisor/registry.db');
    expect(advice).to.contain('chmod -R go= .supervisor/registry.db .supervisor/registry.db-wal');
  });

  it('names an output file that other users can read', () => {
    write('output/a/downloads/report.csv', 0o604);
    expect(check().message).to.contain('1 file of data, such as output/a/downloads/report.csv');
    expect(check().advice).to.match(/chmod -R go= output$/);
  });

  it('ignores files in a folder that other users can not enter', () => {
    write('.supervisor/registry.db', 0o644);
    write('output/a/records.jsonl', 0o644);
    chmodSync('.supervisor', 0o700);
    chmodSync('output/a', 0o700);
    expect(check()).to.include({ status: 'ok' });
  });
});
