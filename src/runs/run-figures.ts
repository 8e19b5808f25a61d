/** The numbers of one run over all its processes, as they change. */
import type { StoredRun } from '../model/run.ts';
import type { Death } from '../model/death.ts';
import type { RunSnapshot } from '../registry/registry.ts';
import type { RunCounts } from './outcome.ts';

export class RunFigures {
  readonly deaths: Death[] = [];
  /** Browser sessions that were started. */
  sessions = 0;
  /** Units of work that began on a session that was handed down. */
  reused = 0;
  /** Units of work that ended with another session than they began with. */
  contextLosses = 0;
  display: RunSnapshot['display'] = null;
  #earlierDeaths = 0;
  #earlierMs = 0;
  readonly #startedAt = performance.now();

  /** Takes over the numbers of earlier processes, as the run's row has them now. */
  begin({ deaths, sessions, display, reused, contextLosses, durationMs }: StoredRun): void {
    this.deaths.unshift(...deaths);
    this.#earlierDeaths = deaths.length;
    this.sessions += sessions;
    this.display ??= display;
    this.reused += reused;
    this.contextLosses += contextLosses;
    this.#earlierMs = durationMs;
  }

  /** Without those of the processes before. */
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
