import { expect } from 'chai';

import { removalAgeHours, type CleanupRule } from '../../src/upkeep/upkeep.ts';
import { SESSION_STATUSES } from '../../src/model/session.ts';

const agesOf = (rule: CleanupRule) =>
  Object.fromEntries(
    SESSION_STATUSES.map((status) => [status, removalAgeHours(status, rule)]).filter(
      ([, hours]) => hours !== undefined,
    ),
  );

describe('The rule for the removal of sessions', () => {
  const policy = { anyHours: 24, failedHours: 1, endedHours: 6 };

  it('removes failed sessions after one hour, ended sessions after six, and never a live session', () => {
    expect(agesOf({ kind: 'policy' })).to.deep.equal({ dead: 1, timed_out: 1, ended: 6, expired: 6 });
  });

  it('removes any session after the maximum of the policy', () => {
    expect(agesOf({ kind: 'policy', policy: { ...policy, anyHours: 3 } })).to.deep.equal({
      dead: 1,
      timed_out: 1,
      ended: 3,
      expired: 3,
    });
  });

  it('uses a given age instead of the policy', () => {
    expect(agesOf({ kind: 'policy', olderThanHours: 2 })).to.deep.equal({
      dead: 2,
      timed_out: 2,
      ended: 2,
      expired: 2,
    });
    expect(agesOf({ kind: 'completed', olderThanHours: 2 })).to.deep.equal({ ended: 2, expired: 2 });
  });

  it('removes one kind, or all, of any age', () => {
    expect(agesOf({ kind: 'failed' })).to.deep.equal({ dead: 0, timed_out: 0 });
    expect(agesOf({ kind: 'completed' })).to.deep.equal({ ended: 0, expired: 0 });
    expect(agesOf({ kind: 'all' })).to.deep.equal({ dead: 0, timed_out: 0, ended: 0, expired: 0 });
  });
});
