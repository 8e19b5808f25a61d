import { copyFileSync, createReadStream, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';

import { expect } from 'chai';

import { bigRun, type BigRun } from '../../../scripts/bench/big-runs.ts';

/** Records of 1 KB take 50 MB in a file. In memory they took 250 MB in addition to the program itself. */
const RUN = { records: 50_000, recordBytes: 1_000, perUnit: 200, units: 'items' } as const;
const MAX_GROWTH_MB = 120;

/** `name` is the name of the registry's file. */
const toRun = (name: string, records: number): BigRun => ({
  ...RUN,
  records,
  registryUrl: name,
  output: false,
  format: 'jsonl',
});

describe('Export: memory', () => {
  let folder: string;

  const runs = [toRun('small', 200), toRun('large', RUN.records)];

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'memory-'));
    for (const run of runs)
      await bigRun('gather', { ...run, registryUrl: `sqlite:${path.join(folder, run.registryUrl)}` });
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const format of ['jsonl', 'jsonl.gz', 'csv']) {
    it(`of a program that resumes and exports does not grow with the number of records, as ${format}`, async () => {
      const output = path.join(folder, `output-${format}`);
      const peaks: number[] = [];
      for (const run of runs) {
        const copy = path.join(folder, `${run.registryUrl}-${format}`);
        copyFileSync(path.join(folder, run.registryUrl), copy);
        const { status, records, peakMb } = await bigRun('resume', {
          ...run,
          registryUrl: `sqlite:${copy}`,
          output,
          format,
        });
        expect({ status, records }).to.deep.equal({ status: 'completed', records: run.records });
        peaks.push(peakMb);
      }
      const [small = 0, large = 0] = peaks;
      expect(large - small).to.be.below(MAX_GROWTH_MB);
      expect(readdirSync(output)).to.deep.equal([`records.${format}`, 'report.html']);
      expect(await countLines(path.join(output, `records.${format}`))).to.equal(
        RUN.records + (format === 'csv' ? 1 : 0),
      );
    });
  }
});

async function countLines(file: string): Promise<number> {
  const bytes = createReadStream(file);
  const input = file.endsWith('.gz') ? bytes.pipe(createGunzip()) : bytes;
  return (await Array.fromAsync(createInterface({ input }))).length;
}
