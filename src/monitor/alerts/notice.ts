/** One message to the people on call. */

export type Severity = 'warning' | 'critical';

export interface Notice {
  /** Of the alert: one per rule and subject. */
  readonly key: string;
  /** The rule's name, such as `stuck`. */
  readonly rule: string;
  readonly status: 'firing' | 'recovered';
  readonly severity: Severity;
  /** What is wrong and why, one or two sentences, without secrets. */
  readonly message: string;
  /** The command to type next; null where there is none. */
  readonly next: string | null;
  readonly owner: string | null;
  readonly runId: string | null;
  readonly sessionId: string | null;
  /** UTC, ISO 8601: since when it fires. */
  readonly since: string;
  /** Of the monitor's machine. */
  readonly host: string;
}

/** Where notices go. Rejects where one did not arrive; whoever sends it tries again. */
export interface Sink {
  readonly name: 'slack' | 'email' | 'webhook';
  /** Settles soon after `signal` aborts. */
  send(notice: Notice, signal: AbortSignal): Promise<void>;
}
