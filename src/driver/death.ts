/** The errors about the end of a session. */
import { SupervisorError, type SupervisorErrorOptions } from '../core/errors.ts';
import type { Death } from '../model/death.ts';
import { describeDiagnosis } from '../model/death-words.ts';

/**
 * The session is dead. Thrown by all work that was in progress on it and by every later request to it. To continue, restart the supervisor,
 * or use the run layer, which restarts it.
 */
export class SessionDeathError extends SupervisorError {
  readonly code = 'session-dead';
  readonly consequence = 'halt-session';
  readonly death: Death;

  constructor(death: Death, options?: ErrorOptions) {
    const { cause, detectedBy, evidence, diagnosis, epoch } = death;
    const why = describeDiagnosis(diagnosis);
    super(
      `The browser session died (${cause}, noticed by ${detectedBy}, session ${epoch}): ${evidence.message}${why === '' ? '' : `; ${why}`}`,
      {
        ...options,
        data: { cause, detectedBy, epoch, reason: diagnosis.reason },
      },
    );
    this.death = death;
  }
}

/** A command was sent by the driver of a session that died earlier, after the next session had started. */
export class StaleDriverError extends SessionDeathError {
  constructor(death: Death) {
    super(death);
    this.message =
      `This driver belongs to session ${death.epoch}, which died (${death.cause}); a newer session has a driver of its own. ` +
      'After `restart()`, take `supervisor.driver` again; in an action, use the `driver` that `run` is given each time it is entered.';
  }
}

/** A command was sent after the session was ended on purpose (`driver.quit()`, `stop()`). */
export class SessionEndedError extends SupervisorError {
  readonly code = 'session-ended';
  readonly consequence = 'fail-step';

  constructor() {
    super(
      'The browser session was ended, by quit(), stop() or the end of the function that it was for, and accepts no more commands. Put `await` before each command, or restart the supervisor to get a new session.',
    );
  }
}

/** No session could be started. The message names the problem with the browser, the driver or the endpoint, and the solution. */
export class SessionStartError extends SupervisorError {
  readonly code = 'session-start-failed';
  readonly consequence = 'abort-run';
  /** True if the browser or the driver ended during the start, so that another start may succeed. */
  readonly isInterrupted: boolean;
  /** True if the endpoint could not be reached, so that a start may succeed when it is back. */
  readonly isEndpointAway: boolean;

  constructor(message: string, { isInterrupted = false, isEndpointAway = false, ...details }: StartErrorDetails = {}) {
    super(message, details);
    this.isInterrupted = isInterrupted;
    this.isEndpointAway = isEndpointAway;
  }
}

interface StartErrorDetails extends SupervisorErrorOptions {
  readonly isInterrupted?: boolean;
  readonly isEndpointAway?: boolean;
}

/**
 * A command exceeded its deadline and was ended. The session is alive and accepts commands. If a command may take that long, raise
 * `COMMAND_TIMEOUT_SECONDS`, or the session's own page load or script timeout.
 */
export class CommandTimeoutError extends SupervisorError {
  readonly code = 'command-timeout';
  readonly consequence = 'fail-step';

  /** `url` is the last page that the session navigated to, redacted. */
  constructor(command: string, { deadlineMs, url }: { readonly deadlineMs: number; readonly url: string | null }) {
    const page = url === null ? '' : ` on the page ${url}`;
    super(
      `The command ${command}${page} did not finish within ${deadlineMs / 1000} s and was ended; the session is still alive. ` +
        'If it may take that long, raise COMMAND_TIMEOUT_SECONDS.',
      { data: { command, deadlineMs, url } },
    );
  }
}
