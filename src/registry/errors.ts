import { SupervisorError } from '../core/errors.ts';

/**
 * The registry could not keep or tell what it was asked to: it is not there, full, damaged, or of a newer version. The message says
 * which, and what to do. What was not kept is not reported as done; the run can be resumed once the reason is mended.
 */
export class RegistryError extends SupervisorError {
  readonly code: string = 'registry-error';
  readonly consequence = 'abort-run';
}

/**
 * The registry lacks commits that it had confirmed: its file was replaced or deleted, it was restored from a copy, or a server took over that
 * did not have them. The run ends as failed, because its data in the registry are no longer complete.
 */
export class RegistryDivergedError extends RegistryError {
  override readonly code = 'registry-diverged';
}

/** The connection was lost while a transaction was being committed: it is not known whether it was committed. */
export class UnansweredCommitError extends Error {
  /** By which the database knows the transaction. */
  readonly transactionId: string;

  constructor(transactionId: string, cause: Error) {
    super(cause.message, { cause });
    this.transactionId = transactionId;
  }
}

/** The owner's session, or the run, belongs to somebody else by now; nothing more of this holder is kept. */
export class LeaseLostError extends SupervisorError {
  readonly code = 'lease-lost';
  readonly consequence = 'halt-session';
}
