import { expect } from 'chai';

import { runCli } from '../cli.ts';

describe('the colour of error messages', () => {
  for (const [title, environment, isColoured] of [
    ['is left out in a pipe', {}, false],
    ['is left out with NO_COLOR', { NO_COLOR: '1' }, false],
    ['is there with FORCE_COLOR', { FORCE_COLOR: '1' }, true],
  ] as const) {
    it(title, async () => {
      for (const args of [
        ['doctor', '--unknown'],
        ['run', 'unknown'],
      ]) {
        const { stderr } = await runCli(args, { environment });
        expect(stderr.startsWith(isColoured ? '\u001b[31merror:\u001b[39m ' : 'error: '), stderr).to.equal(true);
      }
    });
  }
});
