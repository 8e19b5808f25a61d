import { expect } from 'chai';

import { silentLog } from '../../../src/core/log.ts';
import { SessionLimit, type MachineFacts } from '../../../src/runs/sessions/session-limit.ts';

const GB = 1_000_000_000;
const LARGE: MachineFacts = { freeBytes: 100 * GB, processors: 64 };

/** Returns a limit for a machine, and the warnings that it logs. */
function makeLimit(facts: Partial<MachineFacts>, { isLimited = true } = {}) {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) };
  return { limit: new SessionLimit({ isLimited, log, readFacts: () => ({ ...LARGE, ...facts }) }), warnings };
}

describe('The limit of sessions on one machine', () => {
  it('lets a run have the sessions that fit, without a word', () => {
    const { limit, warnings } = makeLimit({});
    expect(limit.fit(40, 1)).to.equal(40);
    expect(warnings).to.deep.equal([]);
  });

  it('is set by the free memory, and says so once, with the figures and the setting that overrides it', () => {
    const { limit, warnings } = makeLimit({ freeBytes: GB });
    expect(limit.fit(20, 1)).to.equal(4);
    expect(limit.fit(10, 1)).to.equal(4);
    expect(warnings).to.deep.equal([
      'This run uses 4 sessions instead of 20: 1000 MB of memory are free, and a session needs about 250 MB. ' +
        'LIMIT_SESSIONS=false starts all 20.',
    ]);
  });

  it('is set by the processors if they are the tighter limit', () => {
    const { limit, warnings } = makeLimit({ processors: 1 });
    expect(limit.fit(20, 1)).to.equal(8);
    expect(warnings).to.deep.equal([
      'This run uses 8 sessions instead of 20: 1 processor can run about 8 sessions. LIMIT_SESSIONS=false starts all 20.',
    ]);
  });

  it('counts the sessions that run already: their memory is no longer free', () => {
    const { limit } = makeLimit({ freeBytes: GB });
    expect(limit.fit(20, 5)).to.equal(8);
    expect(limit.fit(5, 5)).to.equal(5);
  });

  it('leaves at least one session, and is set by the processors alone if the free memory is unknown', () => {
    expect(makeLimit({ freeBytes: 0 }).limit.fit(3, 1)).to.equal(1);
    expect(makeLimit({ freeBytes: undefined, processors: 2 }).limit.fit(20, 1)).to.equal(16);
  });

  it('does not exist at an endpoint and with LIMIT_SESSIONS=false', () => {
    const { limit, warnings } = makeLimit({ freeBytes: 0, processors: 1 }, { isLimited: false });
    expect(limit.fit(500, 1)).to.equal(500);
    expect(warnings).to.deep.equal([]);
  });
});
