import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';
import { makeConsole } from '../../../src/cli/terminal/progress-display.ts';
import { toTerminalText } from '../../../src/cli/terminal/terminal.ts';
import { secrets } from '../../../src/core/secrets.ts';

const SOURCES = fileURLToPath(new URL('../../../src/cli/', import.meta.url));
/** The display of a run writes to a stream that it is given, `main` waits for both streams, and `bin` loads no module with an old Node.js. */
const WRITERS = ['terminal.ts', 'progress-display.ts', 'main.ts', 'bin.ts'];

describe('The terminal output', () => {
  it('has no control characters and no secret values, but the line breaks of the layout', () => {
    secrets.add(['printed-secret']);
    expect(toTerminalText('a\u001b[2J printed-secret\n  b\u202e\u009b\n')).to.equal('a [2J ***\n  b  \n');
  });

  it('is written by the functions of one module', () => {
    const files = globSync('**/*.ts', { cwd: SOURCES }).filter((file) => !WRITERS.some((name) => file.endsWith(name)));
    expect(files.length).to.be.above(40);
    for (const file of files) {
      expect(readFileSync(SOURCES + file, 'utf8'), file).to.not.match(
        /std(out|err)\.write|console\.(log|error|warn|info)/,
      );
    }
  });

  it('has no colours or cursor movements of an action, and no line of an action that looks like one of the log', () => {
    const printed: string[] = [];
    const console = makeConsole({ note: (text) => void printed.push(text) });
    console.log('\u001b[38;2;255;0;0mred\u001b[39m\u001b[2K %s', 'title\n{"level":"error"}\nerror: forged\n  indented');
    expect(printed).to.deep.equal(['red title\n  {"level":"error"}\n  error: forged\n  indented\n']);
  });
});
