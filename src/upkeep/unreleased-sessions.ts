/** Ends the sessions that their endpoints still have although their programs have ended. They occupy slots of a Grid. */
import type { StoredSession } from '../model/session.ts';
import { endAtEndpoint, isPresent, type ReaperOptions } from './reaper.ts';

/** A program repeats its own attempts while it runs. After this time it has given up. */
const OWN_ATTEMPTS_MS = 120_000;
/** Exceeds a Grid's idle limit of 5 minutes, because an attempt can keep a session from it. */
const RETRY_AFTER_MS = 600_000;
const MAX_SESSIONS = 500;

export interface UnreleasedResult {
  /** The number of sessions that were ended. */
  readonly ended: number;
  /** The number of sessions that their endpoints still have, or that can't be reached. */
  readonly left: number;
}

export class UnreleasedSessions {
  readonly #options: Omit<ReaperOptions, 'host'>;
  /** The times before which the sessions that could not be ended are not tried again. */
  readonly #retryAt = new Map<string, number>();
  #ending: Promise<UnreleasedResult> | undefined;

  constructor(options: Omit<ReaperOptions, 'host'>) {
    this.#options = options;
  }

  /** Lists the sessions that would be ended. */
  async list(): Promise<StoredSession[]> {
    const unreleased = await this.#options.registry.sessions.listUnreleased(MAX_SESSIONS);
    const before = new Date(Date.now() - OWN_ATTEMPTS_MS).toISOString();
    return unreleased.filter((session) => !isPresent(session) || (session.endedAt ?? '') < before);
  }

  /** Ends them. Concurrent calls share one result. */
  end(): Promise<UnreleasedResult> {
    this.#ending ??= this.#end().finally(() => (this.#ending = undefined));
    return this.#ending;
  }

  async #end(): Promise<UnreleasedResult> {
    const sessions = await this.list();
    let ended = 0;
    for (const session of sessions) {
      if ((this.#retryAt.get(session.id) ?? 0) > performance.now()) continue;
      if (await endAtEndpoint(session, this.#options)) ended += 1;
      else this.#retryAt.set(session.id, performance.now() + RETRY_AFTER_MS);
    }
    return { ended, left: sessions.length - ended };
  }
}
