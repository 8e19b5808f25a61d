/**
 * The history of a schedule: the processes that compete for one run, their faults, and the changes that the registry's triggers saw. Times
 * are milliseconds of the machine's monotonic clock, which all processes share and no clock step changes.
 */

/** The run, and the owner of its session, in each schedule. */
export const RUN = 'run';
export const OWNER = 'ann';

/** A fact that a process, or a server about it, has recorded. `by` is the name of the process. */
export type Entry = { readonly at: number; readonly by: string } & (
  | { readonly kind: 'began'; readonly pid: number }
  /** The process did the work of a step, and its commit was confirmed. */
  | { readonly kind: 'confirmed'; readonly step: string }
  | { readonly kind: 'exported'; readonly lines: readonly string[] }
  | { readonly kind: 'ended'; readonly status: string; readonly code: string | null; readonly exitCode: number }
  /**
   * A command as it arrived: its method and its path within the session, such as `GET /title`. `session` is undefined for the command that
   * asks for a new one.
   */
  | { readonly kind: 'command'; readonly command: string; readonly session: string | undefined }
  /** A call of the API as it arrived. */
  | { readonly kind: 'called'; readonly step: string }
  /** The process has exited. */
  | { readonly kind: 'exited'; readonly exitCode: number | null; readonly signal: string | null }
  /** The process did not end in time and was killed. */
  | { readonly kind: 'hung' }
  | { readonly kind: 'fault'; readonly what: string }
  /** The registry was replaced by an older copy; the run's row before and afterwards. */
  | { readonly kind: 'restored'; readonly before: RunMark; readonly after: RunMark }
);

export interface RunMark {
  readonly token: number | null;
  readonly writer: string | null;
  readonly pid: number | null;
  readonly commitNumber: number;
}

/** A change that the registry's triggers saw, in the order of the commits. Changes that were rolled back are not among them. */
export type Change =
  | { readonly kind: 'claim'; readonly token: number; readonly session: string }
  | { readonly kind: 'begin'; readonly token: number; readonly pid: number; readonly number: number }
  | { readonly kind: 'commit'; readonly pid: number; readonly before: number; readonly number: number }
  /** A step was stored as done. `worker` is the process that did its work; `pid` is that of the run's row. */
  | { readonly kind: 'step'; readonly step: string; readonly worker: number; readonly pid: number }
  | { readonly kind: 'restored' };

/** The registry at one moment. */
export interface RegistryState {
  /** The run's row, with the column names of the database. */
  readonly run: Readonly<Record<string, unknown>>;
  readonly steps: readonly { readonly step: string; readonly status: string }[];
  /** The records as JSON in the order of the export. */
  readonly records: readonly string[];
  readonly events: readonly {
    readonly type: string;
    readonly run: string | null;
    readonly session: string | null;
    readonly status: string | null;
  }[];
}

export interface History {
  /** The lines of the file of an undisturbed run. */
  readonly expected: readonly string[];
  /** The facts in the order of time. */
  readonly entries: readonly Entry[];
  readonly changes: readonly Change[];
  /** The copies that were taken during the schedule. */
  readonly copies: readonly RegistryState[];
  readonly final: RegistryState;
  /** The lines of the run's file at each time when the run was completed and no process worked. */
  readonly files: readonly (readonly string[])[];
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
