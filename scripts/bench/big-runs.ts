/** Runs of very many records: peak memory and time of the program that gathers, resumes and exports them. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

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

/** Does one run in a program of its own. */
export async function bigRun(mode: 'gather' | 'resume', run: BigRun): Promise<BigRunFigures> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--conditions=webdriver-supervisor:source',
    '--disable-warning=ExperimentalWarning',
    path.join(import.meta.dirname, 'big-run.ts'),
    mode,
    JSON.stringify(run),
  ]);
  return JSON.parse(stdout) as BigRunFigures;
}
