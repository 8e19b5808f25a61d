import { expect } from 'chai';
import { restore, stub, useFakeTimers, type SinonFakeTimers } from 'sinon';

import { RestartLimit, RestartLimitError } from '../../src/supervisor/restart-limit.ts';

const CAUSE = new Error('the last death');

describe('RestartLimit: restarts within a window (R108)', () => {
  let clock: SinonFakeTimers;

  beforeEach(() => {
    clock = useFakeTimers({ toFake: ['performance'] });
  });

  afterEach(() => {
    clock.restore();
    restore();
  });

  it('allows the first restart at once, and doubles the wait before each further one (R108)', () => {
    stub(Math, 'random').returns(0.5);
    const limit = new RestartLimit();
    const waits = Array.from({ length: 10 }, () => limit.take(CAUSE));
    expect(waits).to.deep.equal([0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('varies the waits randomly by up to 20 % in both directions', () => {
    const random = stub(Math, 'random');
    for (const [drawn, expected] of [
      [0, 200],
      [0.999_999, 300],
    ] as const) {
      const limit = new RestartLimit();
      random.returns(drawn);
      limit.take(CAUSE);
      expect(limit.take(CAUSE)).to.be.closeTo(expected, 0.01);
    }
  });

  it('does not wait after progress, and still counts every restart against the limit', () => {
    stub(Math, 'random').returns(0.5);
    const limit = new RestartLimit({ limit: 5, windowMs: 600_000 });
    const waits = Array.from({ length: 5 }, (_unused, index) => {
      if (index === 3) limit.noteProgress();
      return limit.take(CAUSE);
    });
    expect(waits).to.deep.equal([0, 250, 500, 0, 250]);
    limit.noteProgress();
    expect(() => limit.take(CAUSE)).to.throw(RestartLimitError);
  });

  it('refuses a restart beyond the limit with an error that has the numbers and the last death (R108)', () => {
    const limit = new RestartLimit({ limit: 2, windowMs: 600_000 });
    limit.take(CAUSE);
    limit.take(CAUSE);
    const refuse = () => limit.take(CAUSE);
    expect(refuse).to.throw(RestartLimitError, /more than 2 times within 10 minutes/);
    try {
      refuse();
    } catch (thrown) {
      expect(thrown).to.include({ code: 'restart-limit', consequence: 'abort-run', cause: CAUSE });
      expect((thrown as RestartLimitError).data).to.deep.equal({ limit: 2, windowMs: 600_000 });
    }
  });

  it('names a window below a minute in seconds', () => {
    const limit = new RestartLimit({ limit: 1, windowMs: 30_000 });
    limit.take(CAUSE);
    expect(() => limit.take(CAUSE)).to.throw(/more than 1 time within 30 seconds/);
  });

  it('drops restarts when they leave the window, one by one', () => {
    const limit = new RestartLimit({ limit: 2, windowMs: 1_000 });
    limit.take(CAUSE);
    clock.tick(600);
    limit.take(CAUSE);
    clock.tick(399);
    expect(() => limit.take(CAUSE)).to.throw(RestartLimitError);
    clock.tick(1);
    expect(limit.take(CAUSE), 'one earlier restart is still in the window').to.be.above(0);
    expect(() => limit.take(CAUSE)).to.throw(RestartLimitError);
    clock.tick(1_000);
    expect(limit.take(CAUSE), 'the window is empty').to.equal(0);
  });

  it('does not count refused restarts', () => {
    const limit = new RestartLimit({ limit: 1, windowMs: 1_000 });
    limit.take(CAUSE);
    clock.tick(900);
    for (let count = 0; count < 5; count++) expect(() => limit.take(CAUSE)).to.throw(RestartLimitError);
    clock.tick(100);
    expect(limit.take(CAUSE)).to.equal(0);
  });
});
