/**
 * Mocha's usual report, and beside it one line per result in the file that TEST_TALLY_FILE names, written at once: when the process
 * crashes, what was counted until then is kept, and the missing line "finished" tells the crash. A failure's title and error follow its
 * line, indented. Read by `.ci/run`.
 */
const { appendFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

module.exports = class TallyReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const tally = (text) => appendFileSync(process.env.TEST_TALLY_FILE, `${text}\n`);
    runner.on(Runner.constants.EVENT_TEST_PASS, () => tally('passed'));
    runner.on(Runner.constants.EVENT_TEST_FAIL, (test, error) => {
      const story = `${test.file}\n${test.fullTitle()}\n${error.stack ?? error.message}`;
      tally(`failed\n${story.replaceAll(/^/gm, '  ')}`);
    });
    runner.on(Runner.constants.EVENT_RUN_END, () => tally('finished'));
  }
};
