/** Measures how long the built library takes to import, beside selenium-webdriver alone. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { ms, toSample, type Row } from './measure.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ROUNDS = 15;
const MAX_RATIO = 2;
const IMPORT_TIMER = `const start = performance.now(); await import(process.argv[1]); console.log(performance.now() - start);`;

/** Builds the package, then imports both in fresh processes, in turns. */
export async function measureImportTime(): Promise<Row[]> {
  await run('npm', ['run', '--silent', 'build'], { cwd: ROOT });
  const [own, selenium]: [number[], number[]] = [[], []];
  // The first round reads the files from the disk.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const ownMs = await importMs('webdriver-supervisor');
    const seleniumMs = await importMs('selenium-webdriver');
    if (round === 0) continue;
    own.push(ownMs);
    selenium.push(seleniumMs);
  }
  const [ownMs, seleniumMs] = [toSample(own).median, toSample(selenium).median];
  const ratio = ownMs / seleniumMs;
  return [
    {
      what: 'import of the library / of selenium-webdriver',
      measured: `${ratio.toFixed(2)} (${ms(ownMs)} / ${ms(seleniumMs)})`,
      goal: `≤ ${MAX_RATIO}`,
      isMet: ratio <= MAX_RATIO,
    },
  ];
}

async function importMs(specifier: string): Promise<number> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', IMPORT_TIMER, specifier], {
    cwd: ROOT,
  });
  return Number(stdout);
}
