import { expect } from 'chai';
import { array, assert, integer, nat, property, tuple } from 'fast-check';

import { Pauses } from '../../src/monitor/pauses.ts';

const EVERY_MS = 1_000;
const HOUR_MS = 3_600_000;
/** The interval of a program that checks its clock once a second. */
const START = Date.parse('2026-01-01T00:00:00.000Z');

describe('Pauses', () => {
  /** Ticks once after each delay in ms. Returns the time after the last tick. */
  const tick = (pauses: Pauses, gapsMs: readonly number[], fromMs = START) =>
    gapsMs.reduce((nowMs, gapMs) => {
      pauses.note(nowMs + gapMs);
      return nowMs + gapMs;
    }, fromMs);

  it('measures how long the machine slept, and nothing else (R215)', () => {
    const pauses = new Pauses(EVERY_MS, START);
    const nowMs = tick(pauses, [1_000, 1_000, HOUR_MS + 1_000, 1_000]);
    expect(pauses.since(START, nowMs)).to.equal(HOUR_MS);
    expect(nowMs - START - pauses.since(START, nowMs)).to.equal(4_000);
  });

  it('does not count the late timers of a busy program as a pause', () => {
    const pauses = new Pauses(EVERY_MS, START);
    const nowMs = tick(pauses, [1_000, 2_999, 2_999, 0, 5, 1_900]);
    expect(pauses.since(START, nowMs)).to.equal(0);
    tick(pauses, [3_000], nowMs);
    expect(pauses.since(START, nowMs + 3_000)).to.equal(2_000);
  });

  it('counts only the part of a pause after the given time', () => {
    const pauses = new Pauses(EVERY_MS, START);
    const wokenMs = tick(pauses, [1_000, HOUR_MS + 1_000]);
    const nowMs = tick(pauses, [1_000], wokenMs);
    expect(pauses.since(wokenMs - HOUR_MS / 4, nowMs)).to.equal(HOUR_MS / 4);
    expect(pauses.since(wokenMs, nowMs)).to.equal(0);
    expect(pauses.since(nowMs + HOUR_MS, nowMs)).to.equal(0);
  });

  it('adds up several pauses', () => {
    const pauses = new Pauses(EVERY_MS, START);
    const firstMs = tick(pauses, [HOUR_MS + 1_000]);
    const nowMs = tick(pauses, [1_000, 1_000, 2 * HOUR_MS + 1_000, 1_000], firstMs);
    expect(pauses.since(START, nowMs)).to.equal(3 * HOUR_MS);
    expect(pauses.since(firstMs, nowMs)).to.equal(2 * HOUR_MS);
  });

  it('counts a pause at once, even between the wake-up and the next tick', () => {
    const pauses = new Pauses(EVERY_MS, START);
    const wokenMs = tick(pauses, [1_000, 1_000]) + 8 * HOUR_MS;
    expect(pauses.since(START, wokenMs)).to.be.closeTo(8 * HOUR_MS, EVERY_MS);
    // The delayed tick then adds nothing.
    const nowMs = tick(pauses, [300, 1_000], wokenMs);
    expect(pauses.since(START, nowMs)).to.be.closeTo(8 * HOUR_MS, EVERY_MS);
  });

  it('ignores a clock that is set back', () => {
    const pauses = new Pauses(EVERY_MS, START);
    const nowMs = tick(pauses, [1_000, -HOUR_MS, 1_000, 1_000]);
    expect(pauses.since(START - 2 * HOUR_MS, nowMs)).to.equal(0);
  });

  it('returns the total sleep at any time, and never more than the time that has passed', () => {
    const gap = integer({ min: 1, max: 30_000 });
    assert(
      property(array(tuple(gap, nat(4)), { maxLength: 60 }), nat(200_000), (gaps, sinceMs) => {
        const pauses = new Pauses(EVERY_MS, START);
        let nowMs = START;
        let expected = 0;
        for (const [gapMs, looks] of gaps) {
          const lateMs = gapMs - EVERY_MS;
          if (lateMs >= 2_000) expected += Math.max(0, nowMs + gapMs - Math.max(START + sinceMs, nowMs + EVERY_MS));
          nowMs += gapMs;
          pauses.note(nowMs);
          for (let look = 0; look < looks; look += 1) pauses.since(START, nowMs);
        }
        const found = pauses.since(START + sinceMs, nowMs);
        expect(found).to.equal(expected);
        expect(found).to.be.at.most(Math.max(0, nowMs - START - sinceMs));
        // A later start never gives a longer pause.
        expect(pauses.since(START + sinceMs + 5_000, nowMs)).to.be.at.most(found);
      }),
    );
  });
});
