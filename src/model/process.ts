/** One process, now and after it is gone: pids are given out again. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** The start of the machine, the pid's name space and the start of the process: together they make a pid mean one process. */
  readonly identity: string;
}
