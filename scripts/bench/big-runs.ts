/** Runs of very many records: peak memory and time of the program that gathers, resumes and exports them. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import type { Row } from './measure.ts';

/** Parameters of one run. */
export interface BigRun {
  readonly registryUrl: string;
  readonly records: number;
  readonly recordBytes: number;
  /** The number of records that one step or item saves. */
  readonly perUnit: number;
  readonly units: 'steps' | 'items';
  /** False: no files, and the run is left unfinished. */
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
  const output = path.join(folder, 'output');
  try {
    const gathered = await bigRun('gather', { ...GATHERED, registryUrl: urlIn(folder, 0), output, format: 'jsonl' });
    const rows = [toRow('gathers and exports', GATHERED, gathered)];
    for (const [index, shape] of RESUMED.entries()) {
      const run = { ...shape, registryUrl: urlIn(folder, index + 1), format: 'jsonl' };
      await bigRun('gather', { ...run, output: false });
      rows.push(toRow('resumes and exports', shape, await bigRun('resume', { ...run, output })));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function urlIn(folder: string, number: number): string {
  return `sqlite:${path.join(folder, `${number}.db`)}`;
}

function toRow(
  what: string,
  { records, recordBytes, perUnit, units, maxMb, maxSeconds }: Shape,
  { status, peakMb, seconds }: BigRunFigures,
): Row {
  return {
    what: `a program that ${what} ${records} records of ${recordBytes} bytes, ${perUnit} in each of its ${units}`,
    measured: `${status}, peak ${peakMb} MB, ${seconds} s`,
    goal: `≤ ${maxMb} MB${maxSeconds === Infinity ? '' : `, ≤ ${maxSeconds} s`}`,
    isMet: status === 'completed' && peakMb <= maxMb && seconds <= maxSeconds,
  };
}

/** Does one run in a program of its own. */
export async function bigRun(mode: 'gather' | 'resume', run: BigRun): Promise<BigRunFigures> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    // As in the script `action` of package.json. By its default V8 lets short-lived objects take 60 MB more.
    '--max-semi-space-size=16',
    '--conditions=webdriver-supervisor:source',
    '--disable-warning=ExperimentalWarning',
    path.join(import.meta.dirname, 'big-run.ts'),
    mode,
    JSON.stringify(run),
  ]);
  return JSON.parse(stdout) as BigRunFigures;
}
