/** One attempt at one test: the hooks before it, its function, the hooks after it, and their session. */
import type { Test } from 'mocha';

import {
  DEFAULT_RETRIES,
  runOnSession,
  TestClock,
  type AttemptSession,
  type Ending,
  type TimedRunnable,
} from '../embed/embed.ts';
import { silentLog } from '../core/log.ts';
import {
  deathSignalOf,
  type Api,
  type CriticalFailureError,
  type SessionDeathError,
  type SessionSupervisor,
  type WebDriver,
} from '../supervisor/supervisor.ts';
import type { FileSession } from './file-session.ts';
import { deferredApi, deferredDriver, type TestBrowser } from './test-browser.ts';

const NEVER = new AbortController().signal;

export class TestAttempt implements AttemptSession, TestBrowser {
  readonly test: Test;
  readonly #file: FileSession;
  readonly #browserName: () => string;
  /** Aborts when the session that this attempt uses dies. */
  readonly #dead = new AbortController();
  /** Undefined until the test or one of its hooks uses the session. */
  #opening: Promise<SessionSupervisor> | undefined;
  #supervisor: SessionSupervisor | undefined;
  #deferred: Pick<TestBrowser, 'driver' | 'api'> | undefined;
  #clock: TestClock | undefined;
  /** The number of functions of the test and its hooks that have not ended, including those for which Mocha no longer waits. */
  #running = 0;
  #death: SessionDeathError | undefined;
  readonly #limits = new Map<TimedRunnable, number>();

  constructor(test: Test, { file, browserName }: { readonly file: FileSession; readonly browserName: () => string }) {
    this.test = test;
    this.#file = file;
    this.#browserName = browserName;
  }

  get driver(): WebDriver {
    return this.#browser.driver;
  }

  get api(): Api {
    return this.#browser.api;
  }

  /** Aborts when the session of this attempt dies. */
  get signal(): AbortSignal {
    return this.#dead.signal;
  }

  get criticalFailure(): CriticalFailureError | undefined {
    return this.#supervisor?.criticalFailure;
  }

  /** The death of the session. After a death the attempt does not count. */
  get death(): SessionDeathError | undefined {
    return this.#death;
  }

  /** True if the test or one of its hooks has used the session. */
  get usesSession(): boolean {
    return this.#opening !== undefined;
  }

  /** True while code of this attempt runs. */
  get isRunning(): boolean {
    return this.#running > 0;
  }

  async checkSessionHealth(): Promise<void> {
    await this.#supervisor?.checkSessionHealth();
  }

  /** Runs the function of the test or of a hook under its time limit. */
  async run(runnable: TimedRunnable, work: () => Promise<void>): Promise<Ending<void>> {
    this.#limits.set(runnable, runnable.timeout());
    const clock = new TestClock(runnable);
    clock.pause();
    this.#clock = clock;
    const watched = async () => {
      this.#running += 1;
      try {
        await work();
      } finally {
        this.#running -= 1;
      }
    };
    try {
      const options = { signal: NEVER, name: 'the test', log: silentLog };
      const ending = await runOnSession(this, () => clock.time(watched), options);
      if (ending.kind === 'died') this.#death = ending.error;
      return ending;
    } finally {
      this.#clock = undefined;
      clock.resume();
    }
  }

  /** Restores the original time limits, because Mocha runs the same hooks around each test. */
  restoreLimits(): void {
    for (const [runnable, limitMs] of this.#limits) {
      runnable.timeout(limitMs);
      runnable.clearTimeout();
    }
  }

  get #browser(): Pick<TestBrowser, 'driver' | 'api'> {
    this.#opening ??= this.#open();
    if (this.#supervisor !== undefined) return this.#supervisor;
    this.#deferred ??= {
      driver: deferredDriver(this.#opening, this.#browserName()),
      api: deferredApi(this.#opening),
    };
    return this.#deferred;
  }

  #open(): Promise<SessionSupervisor> {
    const { supervisor } = this.#file;
    if (supervisor !== undefined) {
      this.#follow(supervisor);
      return Promise.resolve(supervisor);
    }
    // The time that a browser takes to start does not count against the limit of the test.
    const clock = this.#clock;
    clock?.pause();
    const opening = this.#file.open().then((opened) => {
      this.#follow(opened);
      return opened;
    });
    const onEnd = () => clock?.resume();
    // If the start fails, the commands that wait for it reject.
    opening.then(onEnd, onEnd);
    return opening;
  }

  #follow(supervisor: SessionSupervisor): void {
    this.#supervisor = supervisor;
    const dead = deathSignalOf(supervisor.signal);
    if (dead.aborted) this.#dead.abort(dead.reason);
    else dead.addEventListener('abort', () => this.#dead.abort(dead.reason), { once: true });
  }
}

/** Counts the deaths of each test. Tests are identified by their function, because Mocha clones a test to run it again. */
export class DeathCounts {
  readonly #counts = new WeakMap<object, number>();

  /** Counts a death. Returns the number of the next attempt; undefined if there is none. */
  next({ fn }: Test): number | undefined {
    if (fn === undefined) return undefined;
    const deaths = (this.#counts.get(fn) ?? 0) + 1;
    this.#counts.set(fn, deaths);
    return deaths <= DEFAULT_RETRIES ? deaths + 1 : undefined;
  }
}
