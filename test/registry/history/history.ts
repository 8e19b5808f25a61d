/**
 * The history of a schedule: processes that compete for one run, what was done to them, and what the registry's own triggers saw. Times are
 * milliseconds of the machine's monotonic clock, which all processes share and no clock step changes.
 */

/** The run, and the owner of its session, in each schedule. */
export const RUN = 'run';
export const OWNER = 'ann';

/** A fact of one process, or of the servers about it. `by` is the name of the process. */
export type Entry = { readonly at: number; readonly by: string } & (
  | { readonly kind: 'began'; readonly pid: number }
  /** A step's work was done here, and its commit was confirmed. */
  | { readonly kind: 'confirmed'; readonly step: string }
  | { readonly kind: 'exported'; readonly lines: readonly string[] }
  | { readonly kind: 'ended'; readonly status: string; readonly code: string | null; readonly exitCode: number }
  /** A command as it arrived: its method and its path within the session, such as `GET /title`. `session` is undefined for the command that asks for a new one. */
  | { readonly kind: 'command'; readonly command: string; readonly session: string | undefined }
  /** A call of the API as it arrived. */
  | { readonly kind: 'called'; readonly step: string }
  /** The process itself is gone. */
  | { readonly kind: 'exited'; readonly exitCode: number | null; readonly signal: string | null }
  /** It did not end in time, and was killed. */
  | { readonly kind: 'hung' }
  | { readonly kind: 'fault'; readonly what: string }
  /** An older copy of the registry took the place of the one that was there; the run's row before and afterwards. */
  | { readonly kind: 'restored'; readonly before: RunMark; readonly after: RunMark }
);

export interface RunMark {
  readonly token: number | null;
  readonly writer: string | null;
  readonly pid: number | null;
  readonly commitNumber: number;
}

/** A change as the registry's triggers saw it, in the order of the commits. Those of transactions that were rolled back are not among them. */
export type Change =
  | { readonly kind: 'claim'; readonly token: number; readonly session: string }
  | { readonly kind: 'begin'; readonly token: number; readonly pid: number; readonly number: number }
  | { readonly kind: 'commit'; readonly pid: number; readonly before: number; readonly number: number }
  /** A step was stored as done. `worker` is the process that did its work, `pid` the one that the run's row names. */
  | { readonly kind: 'step'; readonly step: string; readonly worker: number; readonly pid: number }
  | { readonly kind: 'restored' };

/** The registry at one moment. */
export interface RegistryState {
  /** The run's row, with the column names of the database. */
  readonly run: Readonly<Record<string, unknown>>;
  readonly steps: readonly { readonly step: string; readonly status: string }[];
  /** JSON texts in the order of the export. */
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
  /** In the order of time. */
  readonly entries: readonly Entry[];
  readonly changes: readonly Change[];
  /** Copies that were taken on the way. */
  readonly copies: readonly RegistryState[];
  readonly final: RegistryState;
  /** The lines of the run's file, each time that the run was completed and no process worked. */
  readonly files: readonly (readonly string[])[];
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
