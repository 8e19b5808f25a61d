/** The API side of one session: cookies, user agent, base URL and the streak of failures, shared by all its clients. */
import type { BrowserSession } from '../driver/driver.ts';
import { DEFAULT_API_RETRIES, DEFAULT_API_TIMEOUT_MS, makeApi, type Api } from './api-client.ts';
import { BrowserCookieJar } from './cookie-jar.ts';
import { DEFAULT_FAILURE_THRESHOLD, FailureStreak, type CriticalFailureError } from './critical-failures.ts';
import type { Epoch } from './epoch.ts';
import type { SupervisorOptions } from './options.ts';

export interface SessionApiOptions {
  readonly epoch: Epoch;
  readonly session: BrowserSession;
  readonly options: SupervisorOptions;
  readonly checkSessionHealth: () => Promise<boolean>;
}

export class SessionApi {
  readonly #given: SessionApiOptions;
  readonly #jar: BrowserCookieJar;
  readonly #failures: FailureStreak;
  #userAgent: Promise<string> | undefined;
  #critical: CriticalFailureError | undefined;

  constructor(given: SessionApiOptions) {
    this.#given = given;
    this.#jar = new BrowserCookieJar(() => given.session.cookies);
    this.#failures = new FailureStreak(given.options.criticalFailureThreshold ?? DEFAULT_FAILURE_THRESHOLD);
  }

  /** Set once the API was given up; every later call is refused with it. */
  get criticalFailure(): CriticalFailureError | undefined {
    return this.#critical;
  }

  /** A client under `signal`: the session's halt, or a narrower one within it. */
  client(signal: AbortSignal, { isPartOfBatch = false }: { readonly isPartOfBatch?: boolean } = {}): Api {
    const { epoch, session, options } = this.#given;
    // The page may move on while work runs; relative URLs keep to where it stood at this client's first one.
    let page: Promise<string | null> | undefined;
    return makeApi({
      signal,
      jar: this.#jar,
      userAgent: () => (this.#userAgent ??= session.userAgent()),
      baseUrl: async () => options.baseUrl ?? (await (page ??= session.pageUrl())),
      admit: () => {
        if (epoch.isHalted) epoch.refuse();
        signal.throwIfAborted();
        if (this.#critical !== undefined) throw this.#critical;
        return isPartOfBatch ? () => undefined : epoch.work.beginCall();
      },
      onOutcome: (status) => this.#onOutcome(status),
      retries: options.apiRetries ?? DEFAULT_API_RETRIES,
      attemptTimeoutMs: options.apiTimeoutMs ?? DEFAULT_API_TIMEOUT_MS,
    });
  }

  /** A streak of failures is looked into once: the session's death explains it, else the API does. */
  async #onOutcome(status: number | null): Promise<void> {
    const { epoch, checkSessionHealth } = this.#given;
    if (!this.#failures.record(status)) return;
    await checkSessionHealth();
    epoch.throwIfHalted();
    this.#critical = this.#failures.toError();
    throw this.#critical;
  }
}
