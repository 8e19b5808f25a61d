import { expect } from 'chai';
import * as fc from 'fast-check';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';

import { CancelledError } from '../../src/core/errors.ts';
import type { BatchOutcome, BatchTools, SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { kill, startScripted, turn, type Scripted } from './support.ts';

/** The behaviour of one attempt of a worker, and the number of turns of the event loop before it. */
interface Attempt {
  readonly end: 'return' | 'throw' | 'throw text' | 'skip' | 'swallow skip';
  readonly turns: number;
  readonly isDeaf: boolean;
  /** Keys of the items that the attempt adds. Some of them are known already. */
  readonly adds: readonly number[];
}

interface Schedule {
  readonly items: number;
  /** The attempts by item, then by number. A missing attempt returns at once. */
  readonly attempts: readonly (readonly Attempt[])[];
  readonly concurrency: number;
  readonly retries: number;
  readonly rateLimit: { readonly count: number; readonly perMs: number } | undefined;
  /** The number of attempts that have begun before the stop. */
  readonly stop: { readonly how: 'death' | 'cancel' | 'session ended'; readonly afterAttempts: number } | undefined;
}

const MAX_ITEMS = 12;
const attempt: fc.Arbitrary<Attempt> = fc.record({
  end: fc.constantFrom('return', 'return', 'throw', 'throw text', 'skip', 'swallow skip'),
  turns: fc.nat(4),
  isDeaf: fc.boolean(),
  adds: fc.array(fc.integer({ min: 0, max: MAX_ITEMS + 8 }), { maxLength: 3 }),
});
const schedule: fc.Arbitrary<Schedule> = fc.record({
  items: fc.nat(MAX_ITEMS),
  attempts: fc.array(fc.array(attempt, { maxLength: 3 }), { maxLength: MAX_ITEMS + 8 }),
  concurrency: fc.oneof({ arbitrary: fc.integer({ min: 1, max: 6 }), weight: 8 }, fc.constant(Infinity)),
  retries: fc.nat(2),
  rateLimit: fc.option(fc.record({ count: fc.integer({ min: 1, max: 5 }), perMs: fc.integer({ min: 1, max: 200 }) }), {
    nil: undefined,
    freq: 3,
  }),
  stop: fc.option(
    fc.record({
      how: fc.constantFrom('death' as const, 'cancel' as const, 'session ended' as const),
      afterAttempts: fc.nat(20),
    }),
    { nil: undefined, freq: 4 },
  ),
});

describe('SessionSupervisor.batch with random schedules', () => {
  let scripted: Scripted;
  let clock: SinonFakeTimers;

  before(async () => {
    scripted = await startScripted({ restartLimit: { limit: 1_000_000, windowMs: 1 } });
  });

  beforeEach(() => {
    clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], shouldClearNativeTimers: true });
  });

  afterEach(() => clock.restore());

  after(() => scripted[Symbol.asyncDispose]());

  it('has counts that add up and match its workers, and begins nothing after the halt (R105, R108, R110)', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(schedule, async (given) => {
        const { supervisor } = scripted;
        if (supervisor.state !== 'alive') await tickUntilSettled(supervisor.restart(), { clock, stepMs: 1_000 });
        const play = new Play(supervisor, given);
        const outcome = await play.run(clock);
        play.check(outcome);
      }),
      { numRuns: 250 },
    );
  });
});

/** Runs one schedule and records what its workers observe. */
class Play {
  readonly #supervisor: SessionSupervisor;
  readonly #given: Schedule;
  readonly #caller = new AbortController();
  /** The keys in the order of their declaration. */
  readonly #declared: string[];
  readonly #lastEnd = new Map<string, { readonly end: Attempt['end']; readonly attempt: number }>();
  readonly #begunAt: number[] = [];
  readonly #deaf: (() => void)[] = [];
  readonly #problems: string[] = [];
  #active = 0;
  #begun = 0;
  #stopping: Promise<void> | undefined;

  constructor(supervisor: SessionSupervisor, given: Schedule) {
    this.#supervisor = supervisor;
    this.#given = given;
    this.#declared = Array.from({ length: given.items }, (_, index) => String(index));
  }

  async run(clock: SinonFakeTimers): Promise<BatchOutcome<string>> {
    const { items, concurrency, retries, rateLimit } = this.#given;
    const numbers = Array.from({ length: items }, (_, index) => index);
    this.#stopWhenDue();
    const batch = this.#supervisor.batch(numbers, (item, tools) => this.#work(item, tools), {
      key: String,
      concurrency,
      retries,
      signal: this.#caller.signal,
      ...(rateLimit === undefined ? {} : { rateLimit }),
    });
    const outcome = await tickUntilSettled(batch, { clock, stepMs: 20, onStep: () => this.#observe() });
    const reported = structuredClone(outcome.counts);
    // Workers that ignored their signal return now. Their values must be dropped.
    for (const wake of this.#deaf) wake();
    await clock.tickAsync(60_000);
    await turn();
    expect(outcome.counts, 'late results change nothing').to.deep.equal(reported);
    await this.#stopping;
    return outcome;
  }

  check({ counts, results, stoppedBy }: BatchOutcome<string>): void {
    expect(this.#problems).to.deep.equal([]);
    const { total, done, failed, cancelled, skipped } = counts;
    expect(done + failed + cancelled + skipped).to.equal(total);
    expect(results.map(({ key }) => key)).to.deep.equal(this.#declared);
    for (const status of ['done', 'failed', 'cancelled', 'skipped'] as const) {
      expect(results.filter((result) => result.status === status)).to.have.length(counts[status]);
    }
    for (const result of results) {
      const last = this.#lastEnd.get(result.key);
      switch (result.status) {
        case 'done':
          expect(last?.end).to.equal('return');
          expect(result.value).to.equal(`${result.key} in attempt ${last!.attempt}`);
          break;
        case 'failed':
          expect(last).to.deep.equal({ end: last!.end, attempt: this.#given.retries + 1 });
          expect(last!.end).to.match(/^throw/);
          expect(result.error).to.be.instanceOf(Error);
          break;
        case 'skipped':
          expect(last?.end).to.match(/skip$/);
          break;
        case 'cancelled':
          expect(result.error).to.equal(stoppedBy);
      }
    }
    if (cancelled > 0) expect(stoppedBy).to.be.instanceOf(Error);
    if (this.#given.stop === undefined)
      expect({ cancelled, stoppedBy }).to.deep.equal({ cancelled: 0, stoppedBy: null });
    const { death } = this.#supervisor.health;
    if (death !== null && stoppedBy === this.#supervisor.signal.reason) {
      const { queued, inFlight, refused } = death.cancelled;
      expect(queued + inFlight + refused, 'the death reports the same number').to.equal(cancelled);
    }
    expect(this.#supervisor.health.parallelOperations).to.equal(0);
    this.#checkRate();
  }

  async #work(item: number, tools: BatchTools<number>): Promise<string> {
    const { key, attempt: number, signal, add, skip } = tools;
    if (signal.aborted) this.#problems.push(`${key} began after the halt`);
    this.#begunAt.push(Date.now());
    this.#active += 1;
    this.#begun += 1;
    this.#observe();
    const { end, turns, isDeaf, adds }: Attempt = this.#given.attempts[item]?.[number - 1] ?? {
      end: 'return',
      turns: 0,
      isDeaf: false,
      adds: [],
    };
    try {
      this.#stopWhenDue();
      for (let count = 0; count < turns; count++) {
        await turn();
        if (!isDeaf) signal.throwIfAborted();
      }
      if (isDeaf && signal.aborted) await new Promise<void>((resolve) => this.#deaf.push(resolve));
      for (const more of adds) {
        if (add(more) !== !this.#declared.includes(String(more)))
          this.#problems.push(`add(${more}) returned the wrong value`);
        if (!this.#declared.includes(String(more))) this.#declared.push(String(more));
      }
      if (!signal.aborted) this.#lastEnd.set(key, { end, attempt: number });
      if (end === 'throw') throw new TypeError(`${key} failed`);
      // oxlint-disable-next-line typescript/only-throw-error -- authors can do this
      if (end === 'throw text') throw `${key} failed`;
      if (end === 'skip') skip('declined');
      if (end === 'swallow skip') swallow(() => skip('declined'));
      return `${key} in attempt ${number}`;
    } finally {
      this.#active -= 1;
    }
  }

  /** Checks that no more work runs than allowed, and that no work is counted after the halt. */
  #observe(): void {
    const { parallelOperations, shouldHalt } = this.#supervisor.health;
    const { concurrency } = this.#given;
    if (parallelOperations > concurrency) this.#problems.push(`${parallelOperations} operations at a time`);
    if (shouldHalt && parallelOperations > 0) this.#problems.push('work is counted after the halt');
    if (this.#caller.signal.aborted || shouldHalt) return;
    if (this.#active > concurrency) this.#problems.push(`${this.#active} workers at a time`);
    if (this.#active > parallelOperations) this.#problems.push('a worker that is not counted');
  }

  #stopWhenDue(): void {
    const { stop } = this.#given;
    if (stop === undefined || this.#begun < stop.afterAttempts) return;
    if (stop.how === 'cancel') this.#caller.abort(new CancelledError());
    else if (stop.how === 'death') kill(this.#supervisor);
    else this.#stopping ??= this.#supervisor.stop();
  }

  #checkRate(): void {
    const { rateLimit } = this.#given;
    if (rateLimit === undefined) return;
    for (const [index, at] of this.#begunAt.entries()) {
      const within = this.#begunAt.slice(index).filter((other) => other < at + rateLimit.perMs);
      expect(within.length, 'begun within the window').to.be.at.most(rateLimit.count);
    }
  }
}

/** Advances the fake clock until `work` is settled. */
async function tickUntilSettled<Value>(
  work: Promise<Value>,
  { clock, stepMs, onStep }: { clock: SinonFakeTimers; stepMs: number; onStep?: () => void },
): Promise<Value> {
  const progress = { isOver: false };
  const over = () => void (progress.isOver = true);
  work.then(over, over);
  while (!progress.isOver) {
    await clock.tickAsync(stepMs);
    onStep?.();
  }
  return work;
}

function swallow(work: () => never): void {
  try {
    work();
  } catch {
    // The error of skip is ignored on purpose.
  }
}
