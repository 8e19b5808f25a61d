/** The plug-in for Mocha. It gives each test its session, runs tests again after a death, and stores the files of failed tests. */
import type { Context, RootHookObject, Runnable, Test } from 'mocha';

import { ActionError, toError } from '../core/errors.ts';
import { loadConfig, type Config } from '../config/config.ts';
import { describeRetry } from '../embed/embed.ts';
import { FailureFiles } from './failure-files.ts';
import { FileSession } from './file-session.ts';
import { DeathCounts, TestAttempt } from './test-attempt.ts';
import type { TestBrowser } from './test-browser.ts';
import { hooksOf, markAsOwn, wrapRunnable } from './wrap.ts';

export interface MochaPluginOptions {
  /** Returns the settings. Called when a test first uses the browser. @default loadConfig */
  readonly config?: () => Config;
}

export class MochaPlugin {
  readonly browser: TestBrowser;
  readonly hooks: RootHookObject;
  readonly #config: () => Config;
  readonly #session: FileSession;
  readonly #failures: FailureFiles;
  readonly #deaths = new DeathCounts();
  /** The test file that the session belongs to. */
  #file: string | undefined;
  #attempt: TestAttempt | undefined;
  #last: TestAttempt | undefined;

  constructor({ config = loadConfig }: MochaPluginOptions = {}) {
    let loaded: Config | undefined;
    this.#config = () => (loaded ??= config());
    this.#session = new FileSession(this.#config);
    this.#failures = new FailureFiles(() => this.#config().failuresDir);
    const current = (member: keyof TestBrowser) => this.#current(member);
    this.browser = {
      get driver() {
        return current('driver').driver;
      },
      get api() {
        return current('api').api;
      },
      get signal() {
        return current('signal').signal;
      },
    };
    const begin = (test: Test) => this.#begin(test);
    const end = () => this.#session.end();
    this.hooks = {
      beforeEach: markAsOwn(async function (this: Context) {
        // The start and the end of a browser have their own time limits.
        this.timeout(0);
        if (this.currentTest !== undefined) await begin(this.currentTest);
      }),
      afterEach: markAsOwn(() => this.#end()),
      afterAll: markAsOwn(async function (this: Context) {
        this.timeout(0);
        await end();
      }),
    };
  }

  #current(member: keyof TestBrowser): TestAttempt {
    if (this.#attempt !== undefined) return this.#attempt;
    throw new ActionError(
      `browser.${member} was used outside of a test. Use it in \`it\`, \`beforeEach\` or \`afterEach\`: each test begins with an empty ` +
        'browser, so that nothing of `before` would be left. In `after`, and at the top of a file, there is no browser. If this is a test, ' +
        'run mocha with `--require webdriver-supervisor/mocha`.',
    );
  }

  /** Begins a test. Its browser is empty, and no code of the last test uses it any more. */
  async #begin(test: Test): Promise<void> {
    const last = this.#last;
    this.#last = undefined;
    if (test.file !== this.#file || last?.isRunning === true) await this.#session.end();
    else if (last?.usesSession === true) await this.#session.refresh();
    this.#file = test.file;
    wrapRunnable(test, (runnable, call) => this.#runTest(runnable, call));
    for (const hook of hooksOf(test.parent, 'beforeEach'))
      wrapRunnable(hook, (runnable, call) => this.#runBefore(runnable, call));
    for (const hook of hooksOf(test.parent, 'afterEach'))
      wrapRunnable(hook, (runnable, call) => this.#runAfter(runnable, call));
    this.#attempt = new TestAttempt(test, { file: this.#session, browserName: () => this.#config().browser });
  }

  #end(): void {
    this.#attempt?.restoreLimits();
    this.#last = this.#attempt;
    this.#attempt = undefined;
  }

  async #runTest(runnable: Runnable, call: () => Promise<void>): Promise<void> {
    const attempt = this.#attempt;
    if (attempt === undefined) return call();
    // If the session has died in a hook, the test is not run.
    if (attempt.death === undefined) await this.#run(attempt, runnable, call);
    if (attempt.death !== undefined) throw this.#onDeath(attempt);
  }

  async #runBefore(runnable: Runnable, call: () => Promise<void>): Promise<void> {
    const attempt = this.#attempt;
    if (attempt === undefined) return call();
    // A hook that fails would end the suite. A death in a hook is therefore thrown by the test, which is then run again with its hooks.
    if (attempt.death === undefined) await this.#run(attempt, runnable, call);
  }

  async #runAfter(runnable: Runnable, call: () => Promise<void>): Promise<void> {
    const attempt = this.#attempt;
    if (attempt === undefined) return call();
    const { death: earlier } = attempt;
    // If the session died before this hook, the attempt does not count, and a death is not thrown again.
    await this.#run(attempt, runnable, call);
    const { death } = attempt;
    if (earlier === undefined && death !== undefined) throw death;
  }

  async #run(attempt: TestAttempt, runnable: Runnable, call: () => Promise<void>): Promise<void> {
    try {
      await attempt.run(runnable, call);
    } catch (thrown) {
      if (runnable.pending || attempt.death !== undefined) throw thrown;
      throw await this.#describeFailure(attempt, thrown);
    }
  }

  /** Returns the error to throw. Makes Mocha run the test again if attempts are left. That uses none of the retries that the user set. */
  #onDeath({ test, death }: TestAttempt): Error {
    const attempt = this.#deaths.next(test);
    if (death !== undefined && attempt !== undefined) {
      test.retries(Math.max(test.retries(), 0) + 1);
      process.stderr.write(`${describeRetry({ test: test.fullTitle(), death: death.death, attempt })}\n`);
    }
    return toError(death);
  }

  /** Stores the files of a failed test, and adds their folder to the message of the error. */
  async #describeFailure({ test, usesSession }: TestAttempt, thrown: unknown): Promise<unknown> {
    const { supervisor } = this.#session;
    if (!usesSession || supervisor?.state !== 'alive') return thrown;
    const error = toError(thrown);
    const failed = { title: test.fullTitle(), file: test.file, error };
    const words = await this.#failures.save(supervisor.driver, failed).then(
      (folder) => `The browser's screenshot, page and console are in ${folder}.`,
      (failure: unknown) =>
        `The browser's screenshot, page and console could not be stored: ${toError(failure).message}`,
    );
    const { message, stack } = error;
    try {
      error.message = `${message}\n${words}`;
      // Reporters print the message from the beginning of the stack.
      if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
    } catch {
      // The error can't be changed.
      process.stderr.write(`${words}\n`);
    }
    return error;
  }
}
