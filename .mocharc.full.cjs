/**
 * The long proofs: the same settings, more time, other files; and those whose suites run on SQLite in the short suite and on PostgreSQL
 * here. TEST_PART selects a part of them: `untimed` has the files that wait for browsers and programs and measure nothing, and runs three of
 * them at once; `timed` has the others, one after the other, because faults and time limits are measured there. Without it all run one after
 * the other.
 */
const { globSync, readFileSync } = require('node:fs');

const { ignore, ...short } = require('./.mocharc.cjs');

process.env.TEST_LENGTH = 'full';

/** The longest file is first, so that the other files run beside it. */
const UNTIMED = [
  'test/faults/natural',
  'test/faults/resume',
  'test/conformance/',
  'test/cli/',
  'test/docs/',
  'test/actions/',
  'test/embed/',
  'test/runs/rehearsal/',
  'test/runs/sessions/',
  'test/runs/state/',
  'test/driver/frozen-start',
  'test/driver/start-conditions',
  'test/faults/fleet/',
  'test/faults/natural-sessions',
  'test/faults/pool',
  'test/faults/program',
  'test/faults/registry',
  'test/faults/takeover',
  'test/package/',
  'test/runs/downloads',
  'test/runs/exports/killed',
  'test/runs/firefox',
  'test/runs/interleavings',
  'test/runs/recordings',
  'test/runs/reports/',
  'test/monitor/dashboard',
  'test/grid/',
  'test/fleet/',
  'test/scripts/',
  'test/supervisor/restore',
  'test/supervisor/route/api-route',
];

const isRepeatedOnPostgres = (file) => readFileSync(file, 'utf8').includes('describeOnSqliteAndInFullOnPostgres(');

function findFiles(part) {
  const files = globSync('test/**/*.test.ts').filter(
    (file) => file.endsWith('.full.test.ts') || isRepeatedOnPostgres(file),
  );
  // The short suite runs its files side by side already.
  const isUntimed = (file) => !file.endsWith('.full.test.ts') || UNTIMED.some((start) => file.startsWith(start));
  const isFirst = (file) => file.startsWith(UNTIMED[0]);
  const untimed = files.filter(isUntimed).sort((a, b) => Number(isFirst(b)) - Number(isFirst(a)));
  if (part === 'untimed') return untimed;
  return part === 'timed' ? files.filter((file) => !untimed.includes(file)) : files;
}

module.exports = {
  ...short,
  ...(short.spec && { spec: findFiles(process.env.TEST_PART) }),
  parallel: process.env.TEST_PART === 'untimed',
  timeout: 300_000,
};
