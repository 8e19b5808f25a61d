/** Provides the API calls of one session. All its clients share the cookies, the user agent, the base URL and the streak of failures. */
import { delay, raceSignal } from '../core/abort.ts';
import type { Log } from '../core/log.ts';
import { retry } from '../core/retry.ts';
import { DevToolsClosedError, type BrowserCookies, type BrowserSession } from '../driver/driver.ts';
import { DEFAULT_API_RETRIES, DEFAULT_API_TIMEOUT_MS, makeApi, type Api } from './api-client.ts';
import type { ApiRoute } from './route/api-route.ts';
import { fetchInPage } from './route/fetch-in-page.ts';
import { toAcceptLanguage } from './route/accept-language.ts';
import { BrowserCookieJar } from './browser-cookie-jar.ts';
import { DEFAULT_FAILURE_THRESHOLD, CriticalFailureError, FailureStreak } from './critical-failures.ts';
import type { Epoch } from './epoch.ts';
import { HostLimits } from './host-limits.ts';
import type { ObservedOptions } from './options.ts';

/** The wait after the loss of the DevTools connection. The session's death, or a new connection, follows within a second. */
const DEVTOOLS_RETRY_WAIT_MS = 500;
/** The wait before the page is asked again for languages that it did not return. */
const LANGUAGES_RETRY_MS = 5_000;

export interface SessionApiOptions {
  readonly epoch: Epoch;
  readonly session: BrowserSession;
  readonly options: ObservedOptions;
  readonly log: Log;
  readonly checkSessionHealth: () => Promise<boolean>;
}

export class SessionApi {
  readonly #given: SessionApiOptions;
  readonly #jar: BrowserCookieJar;
  readonly #failures: FailureStreak;
  readonly #limits: readonly HostLimits[];
  readonly #headers: () => Promise<Readonly<Record<string, string>>>;
  readonly #route: () => Promise<ApiRoute>;
  #critical: CriticalFailureError | undefined;

  constructor(given: SessionApiOptions) {
    this.#given = given;
    const { session, log } = given;
    // Resolved for each call, because a new DevTools connection changes the way to the cookies.
    const cookies: BrowserCookies = {
      all: () => this.#ask(() => session.browser.cookies.all()),
      set: (cookie) => session.browser.cookies.set(cookie),
      remove: (cookie) => session.browser.cookies.remove(cookie),
    };
    this.#jar = new BrowserCookieJar(cookies, log);
    this.#headers = toBrowserHeaders({
      userAgent: onceAnswered(() => this.#ask(() => session.browser.userAgent())),
      languages: onceKnown(() => session.browser.languages()),
    });
    const { capabilities } = session;
    const { environment } = session.browser;
    // Loaded with the first call: undici takes as long as all of selenium.
    this.#route = onceAnswered(async () => {
      const { ApiRoute } = await import('./route/api-route.ts');
      return new ApiRoute({
        switches: () => this.#ask(() => session.browser.switches()),
        // Chromium reads these variables on Linux only.
        environment: process.platform === 'linux' ? environment : undefined,
        acceptsInsecureCerts: capabilities['acceptInsecureCerts'] === true,
        signal: given.epoch.signal,
        log,
      });
    });
    const { perHost } = given.options;
    this.#limits = perHost === undefined ? [] : [new HostLimits(perHost)];
    this.#failures = new FailureStreak(given.options.criticalFailureThreshold ?? DEFAULT_FAILURE_THRESHOLD);
  }

  /** The critical failure after too many failed calls; every later call is refused with it. */
  get criticalFailure(): CriticalFailureError | undefined {
    return this.#critical;
  }

  /** Returns a client under `signal`: the session's halt, or a narrower signal within it. */
  client(signal: AbortSignal, { isPartOfBatch = false }: { readonly isPartOfBatch?: boolean } = {}): Api {
    const { epoch, session, options } = this.#given;
    // The page may navigate while work runs. Relative URLs are resolved against the page of this client's first call.
    const page = onceAnswered(() => this.#ask(() => session.browser.pageUrl()));
    return makeApi({
      signal,
      jar: this.#jar,
      headers: this.#headers,
      openRoute: async () => {
        const route = await this.#route();
        return (url, init) => route.fetch(url, init, () => this.#prove(signal));
      },
      requestInPage: async (url, init) => {
        await this.#prove(signal);
        return fetchInPage({ url: () => this.#openPage(), run: (work) => session.browser.callInPage(work) }, url, init);
      },
      baseUrl: async () => options.baseUrl ?? (await page()),
      admit: () => {
        if (epoch.isHalted) epoch.refuse();
        signal.throwIfAborted();
        if (this.#critical !== undefined) throw this.#critical;
        return isPartOfBatch ? () => undefined : epoch.work.beginCall();
      },
      onOutcome: (status) => this.#onOutcome(status),
      retries: options.apiRetries ?? DEFAULT_API_RETRIES,
      attemptTimeoutMs: options.apiTimeoutMs ?? DEFAULT_API_TIMEOUT_MS,
      limits: this.#limits,
    });
  }

  async #prove(signal: AbortSignal): Promise<void> {
    const proof = this.#given.options.observer?.beforeSend?.();
    if (proof !== undefined) await raceSignal(proof, signal);
  }

  /** Returns the page's URL. After a death the page is restored by the next command that needs it, so one is sent if there is no page. */
  async #openPage(): Promise<string | null> {
    const { session } = this.#given;
    const url = await this.#ask(() => session.browser.pageUrl());
    if (url !== null) return url;
    await session.driver.getCurrentUrl();
    return this.#ask(() => session.browser.pageUrl());
  }

  /**
   * Repeats a question to the browser. A dying browser refuses to answer shortly before its death is declared, and a broken DevTools
   * connection is soon replaced; a call must not fail for either.
   */
  #ask<Value>(question: () => Promise<Value>): Promise<Value> {
    return retry(question, {
      retries: 3,
      minDelayMs: 100,
      beforeRetry: waitForDevTools,
      signal: this.#given.epoch.signal,
    });
  }

  /** Examines a streak of failures once: either the session's death explains it, or the API does not work. */
  async #onOutcome(status: number | null): Promise<void> {
    const { epoch, checkSessionHealth } = this.#given;
    const streak = this.#failures.record(status);
    if (streak === undefined) return;
    await checkSessionHealth();
    epoch.throwIfHalted();
    // An answer has arrived in the meantime, so the API works.
    if (!this.#failures.isUnbroken(streak)) return;
    this.#critical = new CriticalFailureError(streak);
    throw this.#critical;
  }
}

async function waitForDevTools(error: Error): Promise<void> {
  if (error instanceof DevToolsClosedError) await delay(DEVTOOLS_RETRY_WAIT_MS);
}

/** Returns the headers that requests of a page have as well. */
function toBrowserHeaders(ask: {
  readonly userAgent: () => Promise<string>;
  readonly languages: () => Promise<readonly string[]>;
}): () => Promise<Readonly<Record<string, string>>> {
  return async () => {
    const userAgent = await ask.userAgent();
    const language = toAcceptLanguage(await ask.languages());
    return { 'user-agent': userAgent, ...(language === undefined ? {} : { 'accept-language': language }) };
  };
}

/** Asks until there is an answer, with a pause after each failure. The returned function resolves with an empty list until then. */
function onceKnown<Item>(ask: () => Promise<readonly Item[]>): () => Promise<readonly Item[]> {
  let answer: Promise<readonly Item[]> | undefined;
  let askAgainAt = Infinity;
  return () => {
    if (performance.now() >= askAgainAt) answer = undefined;
    answer ??= (async () => {
      askAgainAt = Infinity;
      const items = await ask().catch(() => []);
      if (items.length === 0) askAgainAt = performance.now() + LANGUAGES_RETRY_MS;
      return items;
    })();
    return answer;
  };
}

/** Asks once, and again only after a failure. */
function onceAnswered<Value>(ask: () => Promise<Value>): () => Promise<Value> {
  let answer: Promise<Value> | undefined;
  return () => {
    answer ??= ask().catch((thrown: unknown) => {
      answer = undefined;
      throw thrown;
    });
    return answer;
  };
}
