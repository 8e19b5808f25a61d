import { SupervisorError } from '../core/errors.ts';

/**
 * The registry could not store or read something: it is unreachable, full, damaged, or of a newer version. The message has the reason and
 * the solution. Work that was not stored is not reported as done; the run can be resumed when the reason is removed.
 */
export class RegistryError extends SupervisorError {
  readonly code: string = 'registry-error';
  readonly consequence = 'abort-run';
}

/**
 * The registry lacks commits that it had confirmed: its file was replaced or deleted, it was restored from a copy, or a server took over
 * that did not have them. The run ends as failed, because its data in the registry are no longer complete.
 */
export class RegistryDivergedError extends RegistryError {
  override readonly code = 'registry-diverged';
}

/** The connection was lost during a commit, so it is unknown if the transaction was committed. */
export class UnansweredCommitError extends Error {
  /** The database's id of the transaction. */
  readonly transactionId: string;

  constructor(transactionId: string, cause: Error) {
    super(cause.message, { cause });
    this.transactionId = transactionId;
  }
}

/** The owner's session or the run now belongs to another process. The registry stores nothing more for this holder. */
export class LeaseLostError extends SupervisorError {
  readonly code = 'lease-lost';
  readonly consequence = 'halt-session';
}
