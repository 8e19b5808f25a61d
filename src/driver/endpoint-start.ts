/** Watches the start of a session at an endpoint while it waits in the queue of a Grid, and explains why it failed. */
import { count } from '../core/describe-number.ts';
import { delay, NOT_NEEDED, raceSignal } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { redactUrl } from '../core/redact.ts';
import { CommandTimeoutError, SessionStartError } from './death.ts';
import { DOWNLOADS_CAPABILITY } from './download-access.ts';
import { readEndpointStatus, readQueueLength, type GridStatus, type Offer } from './endpoint-status.ts';
import { HttpClient } from './http-client.ts';
import { browserNameOf, toPlainCapabilities } from './browser-options.ts';
import type { SessionOptions } from './session-options.ts';
import type { SessionTarget } from './session-target.ts';
import { toStartError } from './start-errors.ts';

interface EndpointStartOptions {
  readonly target: Extract<SessionTarget, { kind: 'endpoint' }>;
  readonly wanted: Readonly<Record<string, unknown>>;
  readonly onQueued: SessionOptions['onQueued'];
}

/** Most starts take 1 to 3 s, and are never asked about. */
const FIRST_QUESTION_MS = 3_000;
const QUESTION_INTERVAL_MS = 2_000;
const ANSWER_LIMIT_MS = 3_000;
/** A node that is being started registers after 1 to 10 s. */
const MISMATCH_LIMIT_MS = 10_000;

/** The failures of a connection to a hub that restarts. */
const LOST_CONNECTION = /ECONNREFUSED|ECONNRESET|EPIPE|socket hang up/;
/** The words of Grid and of proxies for failures that end by themselves: a node was lost, or the hub restarts. */
const PASSING =
  /Connection error \(POST \S*\/se\/grid\/node\/session|Failed to execute request \(POST \S*\/se\/grid\/node\/session|\b50[234]\b.*(gateway|unavailable)|(bad gateway|service unavailable|gateway time-?out)/i;
const NO_MATCH = /No nodes? support|no matching capabilities|Cannot find .* node|could not find a node/i;
const QUEUE_TIMEOUT = /New session request timed out|session request timed out/i;

export class EndpointStart implements Disposable {
  readonly #options: EndpointStartOptions;
  readonly #http: HttpClient;
  readonly #mismatch = new AbortController();
  readonly #startedAt = performance.now();
  #isQueued = false;

  /** Returns undefined for a session that this program's own driver starts, or that another program has started. */
  static begin({ target, browser, onQueued }: SessionOptions): EndpointStart | undefined {
    if (target.kind !== 'endpoint') return undefined;
    const wanted = { browserName: browserNameOf(browser), ...toPlainCapabilities(browser.capabilities ?? {}) };
    return new EndpointStart({ target, wanted, onQueued });
  }

  private constructor(options: EndpointStartOptions) {
    this.#options = options;
    this.#http = new HttpClient(options.target.url, options.target.route);
  }

  /** True if the Grid can't start the session, so that nothing of it will be left. */
  get isHopeless(): boolean {
    return this.#mismatch.signal.aborted;
  }

  /**
   * Resolves as `creating` does, and asks the Grid while it waits. Rejects with `SessionStartError` if no node has offered the browser for 10 s.
   */
  async follow(creating: Promise<void>): Promise<void> {
    const over = new AbortController();
    void this.#ask(over.signal);
    try {
      await raceSignal(creating, this.#mismatch.signal);
    } finally {
      over.abort(NOT_NEEDED);
      if (this.#isQueued) this.#options.onQueued?.(undefined);
    }
  }

  /** Returns the error of a failed start. Asks the endpoint for the reason if the failure does not have it. Never rejects. */
  async explain(thrown: unknown): Promise<SessionStartError> {
    const { target } = this.#options;
    const known = toStartError(thrown, { endpointUrl: target.url, proxy: target.route?.proxy });
    if (thrown instanceof SessionStartError) return thrown;
    const error = toError(thrown);
    const { code = '' } = error as NodeJS.ErrnoException;
    const failure = `${code} ${error.message}`;
    const details = { cause: error };
    // Behind a proxy a broken connection says nothing about the hub, for which the proxy answers with 502, 503 or 504.
    const isDirect = target.route?.proxy === undefined && target.route?.agent === undefined;
    if (PASSING.test(failure) || (isDirect && LOST_CONNECTION.test(failure)))
      return new SessionStartError(known.message, { ...details, isInterrupted: true, isEndpointAway: true });
    const status = await readEndpointStatus(this.#http, AbortSignal.timeout(ANSWER_LIMIT_MS)).catch(() => undefined);
    if (status?.kind === 'wrong') return new SessionStartError(status.problem, details);
    const grid = status?.grid;
    if (grid === undefined) return known;
    const isLate = error instanceof CommandTimeoutError || QUEUE_TIMEOUT.test(failure);
    if ((isLate || NO_MATCH.test(failure)) && !this.#isOffered(grid.offers))
      return new SessionStartError(this.#describeMismatch(grid), details);
    return isLate ? new SessionStartError(this.#describeFullGrid(grid), details) : known;
  }

  [Symbol.dispose](): void {
    this.#http.close();
  }

  async #ask(over: AbortSignal): Promise<void> {
    let mismatchSince: number | undefined;
    for (let pause = FIRST_QUESTION_MS; ; pause = QUESTION_INTERVAL_MS) {
      try {
        await delay(pause, over);
        const signal = AbortSignal.any([over, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
        const [status, queued] = await Promise.all([
          readEndpointStatus(this.#http, signal),
          readQueueLength(this.#http, signal),
        ]);
        if (over.aborted) return;
        const grid = status.kind === 'wrong' ? undefined : status.grid;
        if (grid === undefined || queued === undefined) continue;
        this.#isQueued = queued > 0;
        this.#options.onQueued?.(queued > 0 ? { queued, slots: grid.slots, sessions: grid.sessions } : undefined);
        if (queued === 0 || grid.slots === 0 || this.#isOffered(grid.offers)) mismatchSince = undefined;
        else mismatchSince ??= performance.now();
        if (mismatchSince === undefined || performance.now() - mismatchSince < MISMATCH_LIMIT_MS) continue;
        this.#mismatch.abort(new SessionStartError(this.#describeMismatch(grid)));
        return;
      } catch {
        // An endpoint that is busy or restarts answers later; the start itself decides.
        if (over.aborted) return;
      }
    }
  }

  /** Returns whether a slot may have the wanted browser. Only the Grid can decide about the platform, which it compares by families. */
  #isOffered(offers: readonly Offer[]): boolean {
    const { browserName, browserVersion } = this.#options.wanted;
    return offers.some(
      (offer) =>
        (offer.hasDownloads || !this.#wantsDownloads) &&
        offer.browserName.toLowerCase() === String(browserName).toLowerCase() &&
        versionFits(browserVersion, offer.browserVersion),
    );
  }

  get #wantsDownloads(): boolean {
    return this.#options.wanted[DOWNLOADS_CAPABILITY] === true;
  }

  #describeMismatch({ nodes, offers }: GridStatus): string {
    const { browserName, browserVersion, platformName } = this.#options.wanted;
    const asked = describeOffer({
      browserName: String(browserName),
      browserVersion: typeof browserVersion === 'string' ? browserVersion : undefined,
      platformName: typeof platformName === 'string' ? platformName : undefined,
      hasDownloads: this.#wantsDownloads,
    });
    const offered = offers.map(describeOffer).join(', ');
    return (
      `No node of the Grid ${redactUrl(this.#options.target.url)} offers ${asked}. Its ${count(nodes, 'node')} ` +
      `${nodes === 1 ? 'offers' : 'offer'} ${offered === '' ? 'no browser' : offered}. ` +
      'Set BROWSER or BROWSER_CAPABILITIES to one of these, or start a node that has it.'
    );
  }

  #describeFullGrid({ slots, sessions }: GridStatus): string {
    const waited = Math.round((performance.now() - this.#startedAt) / 1_000);
    const where = `the Grid ${redactUrl(this.#options.target.url)}`;
    if (slots === 0)
      return `No session could be started within ${waited} s: ${where} has no nodes. Start a node for it.`;
    const use =
      sessions >= slots
        ? slots === 1
          ? `the only slot of ${where} was in use, by another session`
          : `all ${slots} slots of ${where} were in use, by ${sessions} sessions`
        : `${sessions} of the ${count(slots, 'slot')} of ${where} were in use, and no other slot fitted`;
    return (
      `No session could be started within ${waited} s: ${use}. End sessions that are not needed (its page /ui lists them), ` +
      'add nodes or slots, or wait longer with GRID_START_TIMEOUT_SECONDS.'
    );
  }
}

/**
 * Returns whether a wanted version fits the offered one. Words such as `stable` are resolved by the Grid. A node that offers no version gets no
 * session that asks for one (measured on 4.47).
 */
function versionFits(wanted: unknown, offered = ''): boolean {
  return typeof wanted !== 'string' || !/^\d/.test(wanted) || offered.startsWith(wanted);
}

function describeOffer({ browserName, browserVersion, platformName, hasDownloads }: Offer): string {
  const version = browserVersion === undefined || browserVersion === '' ? '' : ` ${browserVersion}`;
  const platform = platformName === undefined ? '' : ` on ${platformName}`;
  return `${browserName}${version}${platform}${hasDownloads ? ' with --enable-managed-downloads' : ''}`;
}
