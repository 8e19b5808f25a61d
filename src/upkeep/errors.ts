import { SupervisorError } from '../core/errors.ts';

/** Some of what a clean-up was to remove could not be. What could, was; the rest is tried again by the next one. */
export class CleanupError extends SupervisorError {
  readonly code = 'cleanup-failed';
  readonly consequence = 'retry';
}
