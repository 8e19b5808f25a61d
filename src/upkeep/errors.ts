import { SupervisorError } from '../core/errors.ts';

/** A clean-up could not remove everything. It has removed the rest, and the next clean-up tries again. */
export class CleanupError extends SupervisorError {
  readonly code = 'cleanup-failed';
  readonly consequence = 'retry';
}
