/** A message about an alert to the operators, and its receivers. */

export type Severity = 'warning' | 'critical';

export interface Notice {
  /** The key of the alert: one per rule and subject. */
  readonly key: string;
  /** The rule's name, such as `stuck`. */
  readonly rule: string;
  readonly status: 'firing' | 'recovered';
  readonly severity: Severity;
  /** The problem and its reason in one or two sentences, without secrets. */
  readonly message: string;
  /** The command to type next; null if there is none. */
  readonly next: string | null;
  readonly owner: string | null;
  readonly runId: string | null;
  readonly sessionId: string | null;
  /** The time since when the alert fires, UTC, ISO 8601. */
  readonly since: string;
  /** The name of the monitor's machine. */
  readonly host: string;
}

/** A receiver of notices. */
export interface Sink {
  readonly name: 'slack' | 'email' | 'webhook';
  /** Sends a notice. Rejects if it did not arrive; the notifier tries again. Settles soon after `signal` aborts. */
  send(notice: Notice, signal: AbortSignal): Promise<void>;
}
