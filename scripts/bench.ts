/**
 * `npm run bench [-- NAME…]`: measures the numbers that this project must meet, each beside its alternative in the same run. With names, it
 * measures only those.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { loadConfig, SessionSupervisor } from 'webdriver-supervisor';

import { locateBrowser } from '../src/driver/locate.ts';
import { measureBatches } from './bench/batches.ts';
import { measureDetection, measureLoopingPage } from './bench/detection.ts';
import { measureBigRuns } from './bench/big-runs.ts';
import { measureGrowth } from './bench/growth.ts';
import { measureImportTime } from './bench/import-time.ts';
import { measureCheckpoints, measureRecorder } from './bench/main-job.ts';
import { measureManySessions } from './bench/many-sessions.ts';
import type { Row } from './bench/measure.ts';
import { measureFiveKills, measureRecovery } from './bench/recovery.ts';
import { measureMainJob, measureRegistries, measureReplay } from './bench/registry.ts';
import { measureUpkeep } from './bench/upkeep.ts';
import { measureWorkers } from './bench/workers.ts';
import { measureCommands, measureHaltFlag, measureStarts } from './bench/overhead.ts';

// The alternatives leave their profiles behind at each quit. They are removed with this folder.
const folder = mkdtempSync(path.join(tmpdir(), 'bench-'));
// PostgreSQL refuses to run as root; its own user must be able to enter the folder.
chmodSync(folder, 0o711);
process.env['TMPDIR'] = folder;
process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const { chromeBinary, chromedriver } = loadConfig();
const located = await locateBrowser({
  browserPath: chromeBinary,
  driverPath: chromedriver,
  env: { PATH: process.env['PATH'] },
});
if (!located.found) throw new Error('No browser and driver were found. npm run doctor shows the cause.');
const paths = { browserPath: located.browserPath, driverPath: located.driverPath };

const rows: Row[] = [];
const report = (added: readonly Row[]) => {
  for (const { what, measured, goal, isMet } of added) {
    console.log(`${isMet ? 'met   ' : 'MISSED'}  ${what}\n        ${measured}   goal ${goal}`);
  }
  rows.push(...added);
};

await using supervisor = await SessionSupervisor.start(paths);
const MEASUREMENTS: Readonly<Record<string, () => Promise<Row[]> | Row[]>> = {
  flag: () => [measureHaltFlag(supervisor)],
  batches: () => measureBatches(supervisor),
  commands: () => measureCommands(paths),
  starts: () => measureStarts(paths),
  detection: () => measureDetection(paths),
  recovery: async () => [...(await measureRecovery(paths)), ...(await measureFiveKills(paths))],
  'looping-page': () => measureLoopingPage(paths),
  registries: measureRegistries,
  'main-job': measureMainJob,
  checkpoints: measureCheckpoints,
  recorder: measureRecorder,
  replay: measureReplay,
  'big-runs': measureBigRuns,
  upkeep: measureUpkeep,
  'many-sessions': measureManySessions,
  workers: measureWorkers,
  growth: measureGrowth,
  'import-time': measureImportTime,
};
const names = process.argv.slice(2);
const unknown = names.find((name) => !(name in MEASUREMENTS));
if (unknown !== undefined)
  throw new Error(`There is no measurement "${unknown}". Choose from ${Object.keys(MEASUREMENTS).join(', ')}.`);
for (const [name, measure] of Object.entries(MEASUREMENTS))
  if (names.length === 0 || names.includes(name)) report(await measure());

console.log(
  `\n${rows.filter(({ isMet }) => isMet).length} of ${rows.length} numbers are met. Compare ratios, not times: machines differ and are shared.`,
);
