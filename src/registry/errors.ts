import { SupervisorError } from '../core/errors.ts';

/**
 * The registry could not keep or tell what it was asked to: it is not there, full, damaged, or of a newer version. The message says
 * which, and what to do. What was not kept is not reported as done; the run can be resumed once the reason is mended.
 */
export class RegistryError extends SupervisorError {
  readonly code = 'registry-error';
  readonly consequence = 'abort-run';
}

/** The owner's session, or the run, belongs to somebody else by now; nothing more of this holder is kept. */
export class LeaseLostError extends SupervisorError {
  readonly code = 'lease-lost';
  readonly consequence = 'halt-session';
}
