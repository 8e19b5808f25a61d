/**
 * The short suite (`npm test`). Files named on the command line replace the whole suite: `npm test -- test/core/errors.test.ts`. The tests of the
 * suite wait for browsers and programs most of the time, so several files run at once; files that are named run one after the other.
 * The long proofs are in `*.full.test.ts` (`npm run test:full`).
 */
const isNamed = process.argv.slice(2).some((argument) => argument.endsWith('.test.ts'));

module.exports = {
  ...(isNamed ? {} : { spec: ['test/**/*.test.ts'], ignore: ['test/**/*.full.test.ts'] }),
  require: ['./test/support/root-hooks.ts'],
  'node-option': ['conditions=webdriver-supervisor:source', 'disable-warning=ExperimentalWarning'],
  timeout: 30_000,
  parallel: !isNamed,
  jobs: 3,
  forbidOnly: Boolean(process.env.CI),
  ...(process.env.TEST_TALLY_FILE && { reporter: './scripts/tally-reporter.cjs' }),
};
