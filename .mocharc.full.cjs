/**
 * The long proofs (`npm run test:full`): the same settings, more time, other files; and those whose suites run on SQLite in the short suite and
 * on PostgreSQL here.
 */
const { ignore, ...short } = require('./.mocharc.cjs');

process.env.TEST_LENGTH = 'full';

const ON_POSTGRES = [
  'test/cli/health.test.ts',
  'test/cli/reset-stuck.test.ts',
  'test/faults/resume.test.ts',
  'test/monitor/alerts/alert-keeper.test.ts',
  'test/monitor/alerts/facts.test.ts',
  'test/monitor/cleanup.test.ts',
  'test/monitor/http/changes.test.ts',
  'test/monitor/http/events.test.ts',
  'test/monitor/http/metrics.test.ts',
  'test/monitor/http/pages.test.ts',
  'test/monitor/http/routes.test.ts',
  'test/monitor/http/secrets.test.ts',
  'test/monitor/sweeper.test.ts',
  'test/scripts/reset-stuck-sql.test.ts',
  'test/sessions/leases.test.ts',
  'test/sessions/manager.test.ts',
  'test/sessions/no-duplicates.test.ts',
  'test/sessions/processes.test.ts',
  'test/upkeep/retention.test.ts',
];

module.exports = {
  ...short,
  ...(short.spec && { spec: ['test/**/*.full.test.ts', ...ON_POSTGRES] }),
  // Faults and time limits are measured: no other file may slow them down.
  parallel: false,
  timeout: 300_000,
};
