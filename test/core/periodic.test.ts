import { expect } from 'chai';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';

import type { Log, LogFields } from '../../src/core/log.ts';
import { Periodic, type PeriodicOptions } from '../../src/core/periodic.ts';

const MINUTE_MS = 60_000;

describe('Periodic', () => {
  let clock: SinonFakeTimers;
  let lines: string[];

  beforeEach(() => {
    clock = useFakeTimers({
      now: Date.parse('2026-01-01T12:00:00.000Z'),
      toFake: ['setTimeout', 'clearTimeout', 'Date'],
      // Timers of connections that other tests are closing.
      shouldClearNativeTimers: true,
    });
    lines = [];
  });

  afterEach(() => clock.restore());

  const open = (options: Partial<PeriodicOptions> = {}) => {
    let times = 0;
    const given = { name: 'The job', intervalMs: 5 * MINUTE_MS, log: makeLog(lines), ...options };
    const periodic = new Periodic({
      ...given,
      work: async () => {
        times += 1;
        await options.work?.();
      },
    });
    return {
      periodic,
      get times() {
        return times;
      },
    };
  };

  it('works at once, then after each interval (R204, R402)', async () => {
    const job = open();
    job.periodic.start();
    await clock.tickAsync(0);
    expect(job.times).to.equal(1);
    await clock.tickAsync(5 * MINUTE_MS - 1);
    expect(job.times).to.equal(1);
    await clock.tickAsync(1);
    expect(job.times).to.equal(2);
    await clock.tickAsync(20 * MINUTE_MS);
    expect(job.times).to.equal(6);
    await job.periodic.stop();
  });

  it('works first after the given time, and then at the given interval (R510)', async () => {
    const job = open();
    job.periodic.start({ firstInMs: MINUTE_MS });
    await clock.tickAsync(MINUTE_MS - 1);
    expect(job.times).to.equal(0);
    await clock.tickAsync(1);
    expect(job.times).to.equal(1);
    job.periodic.setInterval(1_000);
    await clock.tickAsync(3_000);
    expect(job.times).to.equal(4);
    expect(job.periodic.overdueMs).to.equal(0);
    await job.periodic.stop();
    job.periodic.setInterval(10);
    await clock.tickAsync(MINUTE_MS);
    expect(job.times, 'after its stop').to.equal(4);
  });

  it('starts once, regardless of the number of calls', async () => {
    const job = open();
    job.periodic.start();
    await clock.tickAsync(MINUTE_MS);
    job.periodic.start();
    await clock.tickAsync(MINUTE_MS);
    expect(job.times).to.equal(1);
    await job.periodic.stop();
  });

  it('never works concurrently: the next attempt starts an interval after the last, and calls in between join it (R402)', async () => {
    const gate = Promise.withResolvers<void>();
    const job = open({ work: () => gate.promise });
    job.periodic.start();
    await clock.tickAsync(12 * MINUTE_MS);
    expect(job.times).to.equal(1);
    const joined = [job.periodic.run(), job.periodic.run()];
    gate.resolve();
    await Promise.all(joined);
    expect(job.times).to.equal(1);
    await clock.tickAsync(5 * MINUTE_MS - 1);
    expect(job.times).to.equal(1);
    await clock.tickAsync(1);
    expect(job.times).to.equal(2);
    await job.periodic.stop();
  });

  it('counts the interval from its last attempt, including requested ones', async () => {
    const job = open();
    job.periodic.start();
    await clock.tickAsync(4 * MINUTE_MS);
    await job.periodic.run();
    expect(job.times).to.equal(2);
    await clock.tickAsync(4 * MINUTE_MS);
    expect(job.times).to.equal(2);
    await clock.tickAsync(MINUTE_MS);
    expect(job.times).to.equal(3);
    await job.periodic.stop();
  });

  const retries: Record<string, [options: Partial<PeriodicOptions>, afterMs: number]> = {
    'in 60 s if its interval is longer': [{}, MINUTE_MS],
    'in its interval if that is shorter': [{ intervalMs: 5_000 }, 5_000],
  };
  for (const [name, [options, afterMs]] of Object.entries(retries))
    it(`is retried after a failure, ${name} (R204, R402)`, async () => {
      let isBroken = true;
      const job = open({ ...options, work: async () => (isBroken ? fail('out of order') : undefined) });
      job.periodic.start();
      await clock.tickAsync(0);
      await clock.tickAsync(afterMs - 1);
      expect(job.times).to.equal(1);
      isBroken = false;
      await clock.tickAsync(1);
      expect(job.times).to.equal(2);
      expect(lines[0]).to.equal(`error: The job failed; it will be retried in ${afterMs / 1_000} s: out of order`);
      await job.periodic.stop();
    });

  it('logs a repeated failure once, logs each different failure, and logs the recovery', async () => {
    const reasons = ['first', 'first', 'first', 'second', undefined, undefined, 'first'];
    const job = open({
      intervalMs: 1_000,
      work: async () => {
        const reason = reasons.shift();
        if (reason !== undefined) fail(reason);
      },
    });
    job.periodic.start();
    await clock.tickAsync(6_000);
    expect(lines).to.deep.equal([
      'error: The job failed; it will be retried in 1 s: first',
      'debug: The job failed; it will be retried in 1 s: first',
      'debug: The job failed; it will be retried in 1 s: first',
      'error: The job failed; it will be retried in 1 s: second',
      'info: The job works again',
      'error: The job failed; it will be retried in 1 s: first',
    ]);
    await job.periodic.stop();
  });

  it('never rejects, regardless of the error of its work', async () => {
    const works = [
      () => fail('before its first wait'),
      async () => fail('later'),
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- foreign code may do this
      () => Promise.reject('no error'),
    ];
    for (const work of works) await open({ work }).periodic.run();
    expect(lines).to.have.length(works.length);
  });

  it('waits for the current work when it is stopped, and starts none afterwards (R402)', async () => {
    const gate = Promise.withResolvers<void>();
    const job = open({ work: () => gate.promise });
    job.periodic.start();
    await clock.tickAsync(0);
    let isStopped = false;
    const stopping = job.periodic.stop().then(() => (isStopped = true));
    await clock.tickAsync(MINUTE_MS);
    expect(isStopped).to.equal(false);
    gate.resolve();
    await stopping;
    await clock.tickAsync(60 * MINUTE_MS);
    expect(job.times).to.equal(1);
    expect(clock.countTimers()).to.equal(0);
  });

  it('does not work if it is stopped before its first attempt', async () => {
    const job = open();
    job.periodic.start();
    await job.periodic.stop();
    await clock.tickAsync(60 * MINUTE_MS);
    expect(job.times).to.equal(0);
  });

  it('can be started again after a stop, even during the work that the stop waits for', async () => {
    const gate = Promise.withResolvers<void>();
    const job = open({ work: () => gate.promise });
    job.periodic.start();
    await clock.tickAsync(0);
    const stopping = job.periodic.stop();
    job.periodic.start();
    await clock.tickAsync(0);
    gate.resolve();
    await stopping;
    expect(job.times).to.equal(1);
    await clock.tickAsync(10 * MINUTE_MS);
    expect(job.times).to.equal(3);
    await job.periodic.stop();
  });

  it('records its last success, which a failure does not change', async () => {
    let isBroken = false;
    const job = open({ work: async () => (isBroken ? fail('out of order') : undefined) });
    expect(job.periodic.lastRunAt).to.equal(null);
    job.periodic.start();
    await clock.tickAsync(0);
    const first = new Date();
    expect(job.periodic.lastRunAt).to.deep.equal(first);
    isBroken = true;
    await clock.tickAsync(7 * MINUTE_MS);
    expect(job.periodic.lastRunAt).to.deep.equal(first);
    await job.periodic.stop();
    expect(job.periodic.lastRunAt).to.deep.equal(first);
  });

  it('is overdue by the time beyond its interval since its last attempt or its start (R412)', async () => {
    const held = Promise.withResolvers<void>();
    let isHeld = true;
    const job = open({ work: async () => (isHeld ? held.promise : fail('out of order')) });
    await clock.tickAsync(60 * MINUTE_MS);
    expect(job.periodic.overdueMs, 'before its start').to.equal(0);
    job.periodic.start();
    await clock.tickAsync(5 * MINUTE_MS);
    expect(job.periodic.overdueMs, 'within the interval').to.equal(0);
    await clock.tickAsync(90_000);
    expect(job.periodic.overdueMs, 'while it hangs').to.equal(90_000);
    isHeld = false;
    held.resolve();
    await clock.tickAsync(9 * MINUTE_MS);
    expect(job.periodic.overdueMs, 'while it fails and is retried').to.equal(0);
    await job.periodic.stop();
    expect(job.periodic.overdueMs, 'after its stop').to.equal(0);
    await clock.tickAsync(60 * MINUTE_MS);
    job.periodic.start();
    expect(job.periodic.overdueMs, 'after a new start').to.equal(0);
    await job.periodic.stop();
  });

  it('is not overdue for the time in which the machine slept (R412)', async () => {
    const asked: number[] = [];
    const job = open({
      pausedSince: (timeMs) => {
        asked.push(timeMs);
        return 8 * 60 * MINUTE_MS;
      },
    });
    job.periodic.start();
    await clock.tickAsync(0);
    const lastAt = Date.now();
    clock.setSystemTime(lastAt + 8 * 60 * MINUTE_MS + 4 * MINUTE_MS);
    expect(job.periodic.overdueMs).to.equal(0);
    clock.setSystemTime(lastAt + 8 * 60 * MINUTE_MS + 6 * MINUTE_MS);
    expect(job.periodic.overdueMs).to.equal(MINUTE_MS);
    expect(new Set(asked)).to.deep.equal(new Set([lastAt]));
    await job.periodic.stop();
  });
});

function fail(reason: string): never {
  throw new Error(reason);
}

function makeLog(lines: string[]): Log {
  const keep = (level: string) => (message: string, fields?: LogFields) =>
    void lines.push(`${level}: ${message}${typeof fields?.['reason'] === 'string' ? `: ${fields['reason']}` : ''}`);
  const log: Log = {
    error: keep('error'),
    warn: keep('warn'),
    info: keep('info'),
    debug: keep('debug'),
    child: () => log,
  };
  return log;
}
