/**
 * Formats notices. Their values come from sites, authors and owners. Therefore every value becomes one redacted line of limited length, so
 * that none can forge a line, a mail header or an escape sequence of a terminal.
 */
import { redactText } from '../../core/redact.ts';
import type { Notice, Severity } from './notice.ts';

/** Slack accepts 40 000 characters and shows a few thousand of them. A phone shows fewer. */
const MAX_MESSAGE_LENGTH = 2_000;
const MAX_FIELD_LENGTH = 300;
const MAX_SUBJECT_LENGTH = 150;
/** Line breaks, tabs and escape sequences, also U+2028 and U+2029, which some programs show as line breaks. */
const BREAKS = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;
/** Characters that change the direction in which a text is shown. */
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** The JSON body for the generic webhook. */
export interface NoticeJson {
  readonly alert: string;
  readonly key: string;
  readonly status: Notice['status'];
  readonly severity: Severity;
  readonly message: string;
  readonly next: string | null;
  readonly owner: string | null;
  readonly run_id: string | null;
  readonly session_id: string | null;
  readonly host: string;
  readonly since: string;
  /** The time at which this body was made, UTC, ISO 8601. */
  readonly timestamp: string;
}

/** Returns plain text of a few lines: the problem, its owner, run, session and host, and the command to type next. */
export function toText(notice: Notice): string {
  const mark = notice.status === 'recovered' ? 'RECOVERED' : notice.severity.toUpperCase();
  const details: readonly [label: string, value: string | null][] = [
    ['Owner', notice.owner],
    ['Run', notice.runId],
    ['Session', notice.sessionId],
    ['Host', notice.host],
    ['Since', notice.since],
    ['Next', notice.next],
  ];
  return [
    `${mark} ${toLine(notice.rule)}: ${toLine(notice.message, MAX_MESSAGE_LENGTH)}`,
    ...details.filter(([, value]) => value !== null).map(([label, value]) => `${label}: ${toLine(value ?? '')}`),
  ].join('\n');
}

/** Returns one line of at most 150 characters, such as `[webdriver-supervisor] critical: stuck – owner ann`. */
export function toSubject({ status, severity, rule, owner, host }: Notice): string {
  const mark = status === 'recovered' ? status : severity;
  const subject = owner === null ? `host ${host}` : `owner ${owner}`;
  return toLine(`[webdriver-supervisor] ${mark}: ${rule} – ${subject}`, MAX_SUBJECT_LENGTH);
}

/** Returns the body for the webhook. `madeAt` becomes `timestamp`; default: now. */
export function toJson(notice: Notice, madeAt: Date = new Date()): NoticeJson {
  const orNull = (value: string | null) => (value === null ? null : toLine(value));
  return {
    alert: toLine(notice.rule),
    key: toLine(notice.key),
    status: notice.status,
    severity: notice.severity,
    message: toLine(notice.message, MAX_MESSAGE_LENGTH),
    next: orNull(notice.next),
    owner: orNull(notice.owner),
    run_id: orNull(notice.runId),
    session_id: orNull(notice.sessionId),
    host: toLine(notice.host),
    since: toLine(notice.since),
    timestamp: madeAt.toISOString(),
  };
}

/** Returns one redacted line of at most `maxLength` characters. A longer text is cut and ends with an ellipsis. */
export function toLine(text: string, maxLength = MAX_FIELD_LENGTH): string {
  // The text is redacted before it is cut, because a part of a secret is not recognised.
  const line = redactText(text.toWellFormed().replace(DIRECTIONS, '').replace(BREAKS, ' ').trim());
  if (line.length <= maxLength) return line;
  // Removes the first half of a character that was cut in two.
  return `${line.slice(0, maxLength - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
