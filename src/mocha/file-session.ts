/** The browser session of one test file. It is started when it is needed, emptied for each test, and replaced if it becomes unusable. */
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

/** Makes Chromium's driver record console messages for `manage().logs()`. */
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
      const hasConsoleLog = loaded.browser === 'chrome';
      const own: SupervisorOptions = { restore: false, ...(hasConsoleLog && { capabilities: CONSOLE_CAPABILITIES }) };
      return mergeSupervisorOptions({ log: silentLog, ...own }, toSupervisorOptions(loaded));
    };
  }

  /** The supervisor of the started session, which may have died or ended since; undefined if none was started. */
  get supervisor(): SessionSupervisor | undefined {
    return this.#supervisor;
  }

  /** Starts the session unless it is started. Rejects as `SessionSupervisor.start` does. */
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
      // The next test tries to start a session again.
      this.#starting = undefined;
      throw thrown;
    }
  }

  /** Empties the session for the next test. If that fails, ends the session, so that the next test gets a new one. Never rejects. */
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

  /** Resolves with undefined also if the start failed, because the test that needed the session has that error. */
  #started(): Promise<SessionSupervisor | undefined> {
    return Promise.resolve(this.#starting).catch(() => undefined);
  }
}
