/** Waits for the cleanups after sessions that have ended, each with a deadline of its own, and for slots that a Grid does not give back. */
import { settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { BrowserSession, RemoteSessionEnd } from '../driver/driver.ts';

const CLEANUP_LIMIT_MS = 15_000;
/** The time limit of the last attempts to end sessions at another program's endpoint. */
const LAST_ATTEMPT_LIMIT_MS = 15_000;

export interface CleanUpsOptions {
  /** Called when another program's endpoint has confirmed the end of a session. */
  readonly onReleased?: (sessionId: string) => void;
  readonly log: Log;
}

export class CleanUps {
  readonly #options: CleanUpsOptions;
  readonly #open = new Set<Promise<void>>();
  /** The sessions that their endpoints still have. */
  readonly #left = new Set<RemoteSessionEnd>();

  constructor(options: CleanUpsOptions) {
    this.#options = options;
  }

  /** Waits at most 15 s for `work`, the end of `session`, and logs its failure. */
  add(work: Promise<void>, session: () => BrowserSession | undefined = () => undefined): void {
    const settling = this.#settle(work)
      .then(() => this.#watch(session()?.remoteEnd))
      .finally(() => this.#open.delete(settling));
    this.#open.add(settling);
  }

  /** Resolves when all cleanups have ended or exceeded their deadline. Never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#open);
  }

  /** Resolves when nothing is left, or after a last attempt for sessions that their endpoints still have. Never rejects. */
  async finish(): Promise<void> {
    await this.settled();
    await Promise.all([...this.#left].map((end) => this.#tryLast(end)));
  }

  async #settle(work: Promise<void>): Promise<void> {
    const { log } = this.#options;
    try {
      if (await settlesWithin(work, CLEANUP_LIMIT_MS)) await work;
      else log.error('The browser has not ended in time; its cleanup continues in the background');
    } catch (thrown) {
      log.error('The cleanup after a browser session failed', { reason: toError(thrown).message });
    }
  }

  /** Repeats the end of a session that its endpoint still has, in the background. */
  #watch(end: RemoteSessionEnd | undefined): void {
    if (end === undefined) return;
    if (end.isEnded) return this.#options.onReleased?.(end.sessionId);
    this.#left.add(end);
    this.#options.log.debug('The endpoint still has a session that ended; its end is repeated', {
      sessionId: end.sessionId,
    });
    void end.repeat().then(() => {
      if (end.isEnded && this.#left.delete(end)) this.#options.onReleased?.(end.sessionId);
    });
  }

  async #tryLast(end: RemoteSessionEnd): Promise<void> {
    const { log, onReleased } = this.#options;
    const attempt = end.attempt();
    try {
      if (await settlesWithin(attempt, LAST_ATTEMPT_LIMIT_MS)) await attempt;
    } catch (thrown) {
      log.warn(
        'A session is left at its endpoint. `npm run sessions -- cleanup` tries again; otherwise its idle limit ends it',
        {
          sessionId: end.sessionId,
          reason: toError(thrown).message,
        },
      );
    }
    this.#left.delete(end);
    if (end.isEnded) onReleased?.(end.sessionId);
    await end.giveUp();
  }
}
