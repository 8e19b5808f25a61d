/**
 * The words for a session's end, and the errors that carry it. Types only below, so that every room above can name a death without
 * knowing how it is found out.
 */
import { SupervisorError, type SupervisorErrorOptions } from '../core/errors.ts';

export const DEATH_CAUSES = [
  'browser-gone',
  'driver-gone',
  'tab-crashed',
  'frozen',
  'session-removed',
  'network-lost',
  'timed_out',
  'lease-lost',
] as const;
/** Why a session ended without being asked to. */
export type DeathCause = (typeof DEATH_CAUSES)[number];

export const DETECTORS = ['command', 'deadline', 'bidi', 'devtools', 'driver-exit', 'heartbeat', 'registry'] as const;
/** What noticed a death first. */
export type Detector = (typeof DETECTORS)[number];

/** What one signal says; the supervisor makes a {@link Death} of the first and a consequence of each later one. */
export interface DeathReport {
  readonly cause: DeathCause;
  readonly detectedBy: Detector;
  /** The remote end's or the operating system's own words. */
  readonly message: string;
}

/** What is known about the last moments of a session; never holds bodies, cookies or secret parts of URLs. */
export interface DeathEvidence {
  readonly message: string;
  /** The page that was last navigated to, if any. */
  readonly url: string | null;
  /** Up to 50 commands, oldest first, such as `POST /url 200 34ms`. */
  readonly lastCommands: readonly string[];
}

/** A declared death: plain data, made once per epoch. */
export interface Death {
  readonly cause: DeathCause;
  readonly detectedBy: Detector;
  /** UTC, ISO 8601. */
  readonly at: string;
  /**
   * How long the session had shown no sign of life when it was declared dead, an upper bound of the delay; null where the signal is
   * the death itself (a socket closing, a process exiting).
   */
  readonly detectedAfterMs: number | null;
  readonly lastHeartbeatAt: string | null;
  readonly evidence: DeathEvidence;
  readonly epoch: number;
  /** Work that the halt ended: waiting, running, and asked for afterwards. `refused` goes on counting. */
  readonly cancelled: { readonly queued: number; readonly inFlight: number; readonly refused: number };
  /** Later signals of the same death, as `cause (detectedBy): message`. */
  readonly consequences: readonly string[];
}

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
