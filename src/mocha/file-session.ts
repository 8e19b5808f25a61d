/** The browser session of one test file: started when it is needed, emptied for each test, replaced when it can't be used any more. */
import { ConfigError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import { loadConfig, type Config } from '../config/config.ts';
import {
  mergeSupervisorOptions,
  SessionSupervisor,
  toSupervisorOptions,
  type SupervisorOptions,
} from '../supervisor/supervisor.ts';
import { Cleaner } from './cleaner.ts';

/** Chromium's driver keeps the messages of pages for `manage().logs()` if it is asked to. */
const CONSOLE_CAPABILITIES = { 'goog:loggingPrefs': { browser: 'ALL' } };

export class FileSession {
  readonly #options: () => SupervisorOptions;
  #starting: Promise<SessionSupervisor> | undefined;
  #supervisor: SessionSupervisor | undefined;
  #cleaner: Cleaner | undefined;

  constructor(config: () => Config = loadConfig) {
    this.#options = () => {
      const loaded = config();
      if (loaded.userDataDir !== undefined) {
        throw new ConfigError(
          'USER_DATA_DIR can’t be used with webdriver-supervisor/mocha: each test begins with an empty browser, and the profile would be emptied.',
        );
      }
      const isConsoleKept = loaded.browser === 'chrome';
      const own: SupervisorOptions = { restore: false, ...(isConsoleKept && { capabilities: CONSOLE_CAPABILITIES }) };
      return mergeSupervisorOptions({ log: silentLog, ...own }, toSupervisorOptions(loaded));
    };
  }

  /** The session, if there is one that was started. It may have died or ended since. */
  get supervisor(): SessionSupervisor | undefined {
    return this.#supervisor;
  }

  /** Resolves with the session, which is started if there is none. Rejects as `SessionSupervisor.start` does. */
  open(): Promise<SessionSupervisor> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<SessionSupervisor> {
    try {
      const supervisor = await SessionSupervisor.start(this.#options());
      this.#cleaner = await Cleaner.open(supervisor);
      this.#supervisor = supervisor;
      return supervisor;
    } catch (thrown) {
      // The next test tries again.
      this.#starting = undefined;
      throw thrown;
    }
  }

  /** Empties the session for the next test. One that can't be emptied is ended, so that the next test gets a new one. Never rejects. */
  async refresh(): Promise<void> {
    const supervisor = await this.#started();
    if (supervisor === undefined) return;
    const isUsable = supervisor.state === 'alive' && supervisor.criticalFailure === undefined;
    if (!isUsable || !(await this.#cleaner?.clean(supervisor))) await this.end();
  }

  /** Ends the session, if there is one. */
  async end(): Promise<void> {
    const supervisor = await this.#started();
    this.#starting = undefined;
    this.#supervisor = undefined;
    this.#cleaner = undefined;
    await supervisor?.stop();
  }

  /** A start that failed was reported to the test that asked for it. */
  #started(): Promise<SessionSupervisor | undefined> {
    return Promise.resolve(this.#starting).catch(() => undefined);
  }
}
