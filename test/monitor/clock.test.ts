import { expect } from 'chai';

import { judgeClock } from '../../src/monitor/clock.ts';

const NOW = Date.parse('2026-01-01T12:00:00.000Z');
const session = (seconds: number | null) => ({
  host: 'there',
  lastHeartbeatAt: seconds === null ? null : new Date(NOW + seconds * 1_000).toISOString(),
});

describe('The monitor\u2019s clock', () => {
  it('is trusted within a minute of the database\u2019s clock, and with heartbeats in the past', () => {
    for (const skewMs of [0, 59_000, -59_000])
      expect(
        judgeClock({ nowMs: NOW, databaseMs: NOW + skewMs, sessions: [session(-86_400), session(50), session(null)] }),
      ).to.equal(null);
  });

  it('is not trusted if it differs from the database\u2019s clock, and the reason gives the difference', () => {
    expect(judgeClock({ nowMs: NOW, databaseMs: NOW - 7_200_000, sessions: [] })).to.match(
      /7200 s ahead of the database's\. Nothing is timed out/,
    );
    expect(judgeClock({ nowMs: NOW, databaseMs: NOW + 61_000, sessions: [] })).to.match(/61 s behind the database's/);
  });

  it('is not trusted if a heartbeat is in the future, and the reason names the machine with the largest difference', () => {
    expect(judgeClock({ nowMs: NOW, databaseMs: NOW, sessions: [session(70), session(600)] })).to.match(
      /600 s behind that of there/,
    );
  });
});
