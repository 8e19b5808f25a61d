/** The numbers of one run over all its processes, as they change. */
import type { StoredRun } from '../model/run.ts';
import type { Death } from '../model/death.ts';
import type { RunSnapshot } from '../registry/registry.ts';
import type { RunCounts } from './outcome.ts';

export class RunFigures {
  readonly deaths: Death[];
  /** Browser sessions that were started. */
  sessions: number;
  /** Units of work that began on a session that was handed down. */
  reused = 0;
  /** Units of work that ended with another session than they began with. */
  contextLosses = 0;
  display: RunSnapshot['display'];
  readonly #earlierDeaths: number;
  readonly #earlierMs: number;
  readonly #startedAt = performance.now();

  /** `resumed` is the run as earlier processes left it. */
  constructor(resumed: StoredRun | undefined) {
    this.deaths = [...(resumed?.deaths ?? [])];
    this.sessions = resumed?.sessions ?? 0;
    this.display = resumed?.display ?? null;
    this.#earlierDeaths = this.deaths.length;
    this.#earlierMs = resumed?.durationMs ?? 0;
  }

  /** Takes over what is counted by the run's row. */
  begin({ reused, contextLosses }: StoredRun): void {
    this.reused = reused;
    this.contextLosses = contextLosses;
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
