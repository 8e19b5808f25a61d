/**
 * The long proofs (`npm run test:full`): the same settings, more time, other files; and those whose suites run on SQLite in the short suite and
 * on PostgreSQL here.
 */
const { globSync, readFileSync } = require('node:fs');

const { ignore, ...short } = require('./.mocharc.cjs');

process.env.TEST_LENGTH = 'full';

const isRepeatedOnPostgres = (file) => readFileSync(file, 'utf8').includes('describeOnSqliteAndInFullOnPostgres(');

module.exports = {
  ...short,
  ...(short.spec && {
    spec: globSync('test/**/*.test.ts').filter((file) => file.endsWith('.full.test.ts') || isRepeatedOnPostgres(file)),
  }),
  // Faults and time limits are measured: no other file may slow them down.
  parallel: false,
  timeout: 300_000,
};
