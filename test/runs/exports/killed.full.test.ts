import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

import { expect } from 'chai';
import { killProcess } from 'webdriver-supervisor/testing';

import { bigRun } from '../../../scripts/bench/big-runs.ts';
import { Program } from '../../faults/program.ts';
import { eventually } from '../../support/eventually.ts';

const RECORDS = 100_000;
const EARLIER = '{"from":"an earlier export"}\n';
/** The parts of the file that are on the disk when the program is killed. */
const MOMENTS_BYTES = [0, 1_000_000, 10_000_000];

describe('Export: killed by kill -9 while it writes', () => {
  let folder: string;
  let registryUrl: string;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'killed-'));
    registryUrl = `sqlite:${path.join(folder, 'registry.db')}`;
    const run = { records: RECORDS, recordBytes: 200, perUnit: 1_000, units: 'items', format: 'jsonl' } as const;
    await bigRun('gather', { ...run, registryUrl, output: false });
  });

  after(() => rmSync(folder, { recursive: true }));

  const startExport = (output: string, format: string) =>
    Program.start(['runs', 'export', 'last', '--output', output, '--format', format], {
      env: { REGISTRY_URL: registryUrl },
    });

  for (const format of ['jsonl', 'jsonl.gz', 'csv'])
    for (const bytes of format === 'jsonl' ? MOMENTS_BYTES : [0])
      it(`does not change the earlier ${format} file at ${bytes} bytes, and the next one is complete (invariant 5)`, async () => {
        const output = path.join(folder, `output-${format}-${bytes}`);
        const target = path.join(output, `records.${format}`);
        mkdirSync(output);
        writeFileSync(target, EARLIER);
        const program = startExport(output, format);
        await eventually(async () => sizeOfUnfinished(output) > bytes, 'a part of the file');
        expect(killProcess(program.pid)).to.equal(true);
        await program.ended();
        expect(readFileSync(target, 'utf8')).to.equal(EARLIER);
        expect(unfinishedIn(output)).to.have.length(1);

        const next = startExport(output, format);
        expect((await next.ended()).code).to.equal(0);
        expect(readdirSync(output)).to.deep.equal([path.basename(target)]);
        expect(numbersIn(target, format)).to.deep.equal(Array.from({ length: RECORDS }, (_unused, index) => index));
      });
});

function unfinishedIn(output: string): string[] {
  return readdirSync(output).filter((name) => name.startsWith('.unfinished-'));
}

function sizeOfUnfinished(output: string): number {
  const sizes = unfinishedIn(output)
    .map((name) => path.join(output, name))
    .filter((file) => existsSync(file))
    .map((file) => statSync(file).size);
  return Math.max(-1, ...sizes);
}

function numbersIn(file: string, format: string): number[] {
  const bytes = readFileSync(file);
  const lines = (format === 'jsonl.gz' ? gunzipSync(bytes) : bytes).toString().trimEnd().split(/\r?\n/);
  if (format === 'csv') return lines.slice(1).map((line) => Number(line.split(',')[0]));
  return lines.map((line) => (JSON.parse(line) as { number: number }).number);
}
