import { expect } from 'chai';

import { countRepeats } from '../../../src/cli/run/count-repeats.ts';
import { makeLog } from '../../../src/core/log.ts';

describe('the warnings of a run', () => {
  it('are written once if they are the same, and counted at the end', () => {
    const lines: string[] = [];
    const log = countRepeats(makeLog({ format: 'text', write: (line) => void lines.push(line.trimEnd()) }));
    for (let number = 0; number < 3; number += 1) {
      log.warn('slow');
      log.child({ step: 'a' }).warn('slow');
      log.info('again');
    }
    log.warn('slow', { step: 'b' });
    log.writeCounts();
    log.writeCounts();
    expect(lines.filter((line) => line !== 'again')).to.deep.equal([
      'warning: slow',
      'warning: slow  (step=a)',
      'warning: slow  (step=b)',
      'warning: slow (3 times)',
      'warning: slow (3 times)  (step=a)',
    ]);
    expect(lines).to.have.length(8);
  });

  it('can have fields of any kind', () => {
    const log = countRepeats(makeLog({ format: 'text', write: () => undefined }));
    const cyclic: Record<string, unknown> = { large: 10n };
    cyclic['self'] = cyclic;
    expect(() => [log.warn('odd', { value: Symbol('x') }), log.writeCounts()]).to.not.throw();
  });
});
