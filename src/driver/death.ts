/** The errors that carry a session's end. */
import { SupervisorError, type SupervisorErrorOptions } from '../core/errors.ts';
import type { Death } from '../model/death.ts';

/**
 * The session is dead: thrown by everything that was under way on it and by everything asked of it afterwards. Restart the
 * supervisor, or let the run layer do it.
 */
export class SessionDeathError extends SupervisorError {
  readonly code = 'session-dead';
  readonly consequence = 'halt-session';
  readonly death: Death;

  constructor(death: Death, options?: ErrorOptions) {
    const { cause, detectedBy, evidence, epoch } = death;
    super(
      `The browser session died (${cause}, noticed by ${detectedBy}, session ${epoch} of this run): ${evidence.message}`,
      {
        ...options,
        data: { cause, detectedBy, epoch },
      },
    );
    this.death = death;
  }
}

/** A command was sent by the driver of a session that died earlier, while the next session is there already. */
export class StaleDriverError extends SessionDeathError {
  constructor(death: Death) {
    super(death);
    this.message =
      `This driver belongs to session ${death.epoch}, which died (${death.cause}); a newer session has a driver of its own. ` +
      'After `restart()`, take `supervisor.driver` again; in an action, use the `driver` that `run` is given each time it is entered.';
  }
}

/** The session was ended on purpose (`driver.quit()`, `stop()`), and then asked for more. */
export class SessionEndedError extends SupervisorError {
  readonly code = 'session-ended';
  readonly consequence = 'fail-step';

  constructor() {
    super(
      'The browser session was ended by quit() or stop(); it takes no more commands. Restart the supervisor for a new one.',
    );
  }
}

/** No session could be started. The message names what is wrong with the browser, the driver or the endpoint, and the way out. */
export class SessionStartError extends SupervisorError {
  readonly code = 'session-start-failed';
  readonly consequence = 'abort-run';
  /** Whether browser or driver went away while they were being started, so that another start may succeed. */
  readonly isInterrupted: boolean;

  constructor(message: string, { isInterrupted = false, ...details }: StartErrorDetails = {}) {
    super(message, details);
    this.isInterrupted = isInterrupted;
  }
}

interface StartErrorDetails extends SupervisorErrorOptions {
  readonly isInterrupted?: boolean;
}

/**
 * A command ran into its deadline and was ended; the session is alive and takes further commands. Raise `COMMAND_TIMEOUT_SECONDS`, or
 * the session's own page load or script timeout, where so long a command is meant.
 */
export class CommandTimeoutError extends SupervisorError {
  readonly code = 'command-timeout';
  readonly consequence = 'fail-step';

  /** `url` is the page that was last navigated to, redacted. */
  constructor(command: string, { deadlineMs, url }: { readonly deadlineMs: number; readonly url: string | null }) {
    const page = url === null ? '' : ` on the page ${url}`;
    super(
      `The command ${command}${page} did not finish within ${deadlineMs / 1000} s and was ended; the session lives on. ` +
        'If it may take that long, raise COMMAND_TIMEOUT_SECONDS.',
      { data: { command, deadlineMs, url } },
    );
  }
}
