/** Identifies one process, also after its end: the operating system reuses pids. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** The start time of the machine, the pid namespace and the start time of the process. With them a pid identifies one process. */
  readonly identity: string;
}
