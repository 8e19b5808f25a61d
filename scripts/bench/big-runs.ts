/** Measures the peak memory and the time of programs that gather, resume and export very many records. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { HEAP_GROWING_PERCENT } from '../../src/core/memory.ts';
import { TestPostgres } from '../../test/support/postgres.ts';
import type { Row } from './measure.ts';

/** The parameters of one run. */
export interface BigRun {
  readonly registryUrl: string;
  readonly records: number;
  readonly recordBytes: number;
  /** The number of records that one step or item saves. */
  readonly perUnit: number;
  readonly units: 'steps' | 'items';
  /** The output folder; false if the run writes no files and is left unfinished. */
  readonly output: string | false;
  readonly format: string;
}

export interface BigRunFigures {
  readonly status: string;
  readonly error: string | null;
  readonly records: number;
  /** Peak resident memory of the program in megabytes. */
  readonly peakMb: number;
  readonly seconds: number;
}

interface Shape extends Pick<BigRun, 'records' | 'recordBytes' | 'perUnit' | 'units'> {
  readonly maxMb: number;
  readonly maxSeconds: number;
}

const GATHERED: Shape = {
  records: 320_000,
  recordBytes: 1_000,
  perUnit: 100,
  units: 'items',
  maxMb: 250,
  maxSeconds: Infinity,
};
const RESUMED: readonly Shape[] = [
  { records: 1_000_000, recordBytes: 200, perUnit: 20, units: 'items', maxMb: 300, maxSeconds: 60 },
  { records: 1_000_000, recordBytes: 200, perUnit: 20, units: 'steps', maxMb: 300, maxSeconds: 60 },
  { records: 1_000_000, recordBytes: 200, perUnit: 250_000, units: 'steps', maxMb: 300, maxSeconds: 60 },
];

export async function measureBigRuns(): Promise<Row[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'big-runs-'));
  await using postgres = await TestPostgres.start();
  try {
    let files = 0;
    const onSqlite = async () => `sqlite:${path.join(folder, `${files++}.db`)}`;
    return [
      ...(await measureOn('SQLite', onSqlite, folder)),
      ...(await measureOn('PostgreSQL', () => postgres.createDatabase(), folder)),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measureOn(name: string, createDatabase: () => Promise<string>, folder: string): Promise<Row[]> {
  const output = path.join(folder, 'output');
  const registryUrl = await createDatabase();
  const gathered = await bigRun('gather', { ...GATHERED, registryUrl, output, format: 'jsonl' });
  const rows = [toRow(`${name}: a program that gathers and exports`, GATHERED, gathered)];
  for (const shape of RESUMED) {
    const run = { ...shape, registryUrl: await createDatabase(), format: 'jsonl' };
    await bigRun('gather', { ...run, output: false });
    const resumed = await bigRun('resume', { ...run, output });
    rows.push(toRow(`${name}: a program that resumes and exports`, shape, resumed));
  }
  return rows;
}

function toRow(
  program: string,
  { records, recordBytes, perUnit, units, maxMb, maxSeconds }: Shape,
  { status, peakMb, seconds }: BigRunFigures,
): Row {
  return {
    what: `${program} ${records} records of ${recordBytes} bytes, ${perUnit} in each of its ${units}`,
    measured: `${status}, peak ${peakMb} MB, ${seconds} s`,
    goal: `≤ ${maxMb} MB${maxSeconds === Infinity ? '' : `, ≤ ${maxSeconds} s`}`,
    isMet: status === 'completed' && peakMb <= maxMb && seconds <= maxSeconds,
  };
}

/** Does one run in a new process. */
export async function bigRun(mode: 'gather' | 'resume', run: BigRun): Promise<BigRunFigures> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    // The flag of `scripts/launch`. By default V8 lets short-lived objects use 60 MB more.
    '--max-semi-space-size=16',
    `--heap-growing-percent=${HEAP_GROWING_PERCENT}`,
    '--conditions=webdriver-supervisor:source',
    '--disable-warning=ExperimentalWarning',
    path.join(import.meta.dirname, 'big-run.ts'),
    mode,
    JSON.stringify(run),
  ]);
  return JSON.parse(stdout) as BigRunFigures;
}
