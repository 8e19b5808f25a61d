/**
 * Mocha's spec reporter, which also appends one line per result to the file in TEST_TALLY_FILE. Each line is written at once, so that the
 * results survive a crash of the process; a missing line "finished" shows the crash. The title and the error of a failed test follow its
 * line, indented. `.ci/run` reads the file.
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
