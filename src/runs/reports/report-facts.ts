import type { StoredSession } from '../../model/session.ts';
import type { RunOutcome } from '../outcome.ts';
import type { DatasetSample } from './record-sample.ts';
import type { SlowUnit, Throughput } from './timings.ts';
import type { UsedSetting } from './used-settings.ts';

export interface FailedStep {
  readonly batch: string | null;
  readonly key: string;
  readonly code: string;
  readonly message: string;
}

/** Everything that the report shows. Lists are already limited. */
export interface RunReport {
  readonly outcome: RunOutcome;
  /** When this process began and ended the run; ISO 8601. */
  readonly startedAt: string;
  readonly endedAt: string;
  readonly isResumed: boolean;
  /** Undefined if this process did no work. */
  readonly throughput: Throughput | undefined;
  readonly slowest: readonly SlowUnit[];
  readonly failedSteps: readonly FailedStep[];
  readonly sessions: readonly StoredSession[];
  readonly samples: readonly DatasetSample[];
  /** The time of a death -> the path of its recording from the folder of the report. */
  readonly recordings: ReadonlyMap<string, string>;
  /** The parameters as the user gave them, without secrets. */
  readonly params: Readonly<Record<string, unknown>>;
  /** The options of the run that were given. */
  readonly options: Readonly<Record<string, string>>;
  readonly settings: readonly UsedSetting[];
  /** Dataset -> the path of its file from the folder of the report; null if the file is elsewhere. */
  readonly links: ReadonlyMap<string, string | null>;
  /** The next command for the user. */
  readonly next: string;
  readonly version: string;
}
