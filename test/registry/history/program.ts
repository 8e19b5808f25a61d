/**
 * The process that executes schedules. It prints a line when it is ready. `go <JSON of ProgramOptions>` makes it continue the run of a
 * schedule, after which it prints `done`; `clock <ms>` sets its clock meanwhile. It appends its facts to its own file of the history. It
 * executes one schedule after another, because its start takes longer than a schedule. It exits when its standard input ends.
 * Usage: node program.ts
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { exitCodeOf, loadConfig, SupervisorError } from 'webdriver-supervisor';

import { prepareRun } from '../../../src/runs/runs.ts';
import { monotonicMs, RUN } from './history.ts';
import { resetClock, ShiftedDate, shiftClock } from './shifted-date.ts';
import { makeAction } from './workload.ts';

export interface ProgramOptions {
  readonly name: string;
  readonly historyFile: string;
  readonly registryUrl: string;
  /** The URL of the scripted server. */
  readonly gridUrl: string;
  readonly heartbeatIntervalMs: number;
  readonly waitMs: number;
}

globalThis.Date = ShiftedDate;
process.stdout.write('ready\n');
for await (const line of createInterface(process.stdin)) {
  const [, word, value = ''] = /^(\w+) (.*)$/.exec(line) ?? [];
  if (word === 'clock') shiftClock(Number(value));
  else void serve(JSON.parse(value) as ProgramOptions);
}

async function serve(options: ProgramOptions): Promise<void> {
  const file = openSync(options.historyFile, 'a');
  const note = (fact: object) =>
    void writeSync(file, `${JSON.stringify({ at: monotonicMs(), by: options.name, ...fact })}\n`);
  note({ kind: 'began', pid: process.pid });
  await goOn(options, note);
  closeSync(file);
  resetClock();
  process.stdout.write('done\n');
}

async function goOn(options: ProgramOptions, note: (fact: object) => void): Promise<void> {
  const { name, registryUrl, gridUrl, heartbeatIntervalMs, waitMs } = options;
  const action = makeAction({ name, onConfirmed: (step) => note({ kind: 'confirmed', step }) });
  const config = { ...loadConfig({ environment: {}, folder: '/nonexistent' }), registryUrl, keepsState: false };
  try {
    const supervisor = { gridUrl: `${gridUrl}/${name}`, heartbeatIntervalMs, heartbeatTimeoutMs: 5_000 };
    const run = await prepareRun(action, {}, { resume: RUN, config, supervisor, waitMs });
    const { status, error, sessions, outputs, deaths } = await run.execute();
    const { records } = outputs;
    if (records !== undefined)
      note({ kind: 'exported', lines: readFileSync(records, 'utf8').split('\n').slice(0, -1) });
    // The session may detect the lost lease first.
    const isTaken = error?.code === 'session-dead' && deaths.at(-1)?.cause === 'lease-lost';
    const code = isTaken ? 'lease-lost' : (error?.code ?? null);
    note({ kind: 'ended', status, code, exitCode: exitCodeOf({ status, error, sessions }) });
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    note({ kind: 'ended', status: 'refused', code: thrown.code, exitCode: 2 });
  }
}
