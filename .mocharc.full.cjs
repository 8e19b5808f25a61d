/** The long proofs (`npm run test:full`): the same settings, other files, more time. */
const { ignore, ...short } = require('./.mocharc.cjs');

module.exports = { ...short, ...(short.spec && { spec: ['test/**/*.full.test.ts'] }), timeout: 300_000 };
