/** The current numbers of one run, over all its processes. */
import type { StoredRun } from '../model/run.ts';
import type { Death } from '../model/death.ts';
import type { RunSnapshot } from '../registry/registry.ts';
import type { RunCounts, RunProgress } from './outcome.ts';

export class RunFigures {
  readonly deaths: Death[] = [];
  /** The number of browser sessions that were started. */
  sessions = 0;
  /** The number of units of work that began on an existing session of the run. */
  reused = 0;
  /** The number of units of work that ended with another session than they began with. */
  contextLosses = 0;
  display: RunSnapshot['display'] = null;
  #queue: RunProgress['queue'] = null;
  #earlierDeaths = 0;
  #earlierMs = 0;
  readonly #startedAt = performance.now();

  /** Adds the numbers of earlier processes from the run's row. */
  begin({ deaths, sessions, display, reused, contextLosses, durationMs }: StoredRun): void {
    this.deaths.unshift(...deaths);
    this.#earlierDeaths = deaths.length;
    this.sessions += sessions;
    this.display ??= display;
    this.reused += reused;
    this.contextLosses += contextLosses;
    this.#earlierMs = durationMs;
  }

  /** The part of the progress that is known here. */
  get shown(): Pick<RunProgress, 'display' | 'sessions' | 'deaths' | 'queue'> {
    return { display: this.display, sessions: this.sessions, deaths: this.deaths, queue: this.#queue };
  }

  readonly noteQueue = (queue: RunProgress['queue'] | undefined): void => {
    this.#queue = queue ?? null;
  };

  /** The deaths in this process. */
  get ownDeaths(): readonly Death[] {
    return this.deaths.slice(this.#earlierDeaths);
  }

  get durationMs(): number {
    return this.#earlierMs + Math.round(performance.now() - this.#startedAt);
  }

  snapshot(counts: RunCounts): RunSnapshot {
    const { display, sessions, reused, contextLosses, deaths, durationMs } = this;
    return { counts, display, sessions, reused, contextLosses, deaths: [...deaths], durationMs };
  }
}
