/**
 * A notice in words. What it holds comes from sites, authors and owners, so every value becomes one redacted line of limited length:
 * none can forge a line, a mail header or a terminal's escape sequence.
 */
import { redactText } from '../../core/redact.ts';
import type { Notice, Severity } from './notice.ts';

/** Slack takes 40 000 characters and shows a few thousand of them; a phone shows less. */
const LONGEST_MESSAGE = 2_000;
const LONGEST_FIELD = 300;
const LONGEST_SUBJECT = 150;
/** Line breaks, tabs, escape sequences; U+2028 and U+2029 too, which some readers show as line breaks. */
const BREAKS = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;
/** They show a text in another order than it is written. */
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** What the generic webhook gets, as JSON. */
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
  /** When this was made, UTC, ISO 8601. */
  readonly timestamp: string;
}

/** Plain text of a few lines: what is wrong, then whose and where, then the command to type next. */
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
    `${mark} ${toLine(notice.rule)}: ${toLine(notice.message, LONGEST_MESSAGE)}`,
    ...details.filter(([, value]) => value !== null).map(([label, value]) => `${label}: ${toLine(value ?? '')}`),
  ].join('\n');
}

/** One line of at most 150 characters, such as `[webdriver-supervisor] critical: stuck – owner ann`. */
export function toSubject({ status, severity, rule, owner, host }: Notice): string {
  const mark = status === 'recovered' ? status : severity;
  const subject = owner === null ? `host ${host}` : `owner ${owner}`;
  return toLine(`[webdriver-supervisor] ${mark}: ${rule} – ${subject}`, LONGEST_SUBJECT);
}

/** `madeAt` becomes `timestamp`; default: now. */
export function toJson(notice: Notice, madeAt: Date = new Date()): NoticeJson {
  const orNull = (value: string | null) => (value === null ? null : toLine(value));
  return {
    alert: toLine(notice.rule),
    key: toLine(notice.key),
    status: notice.status,
    severity: notice.severity,
    message: toLine(notice.message, LONGEST_MESSAGE),
    next: orNull(notice.next),
    owner: orNull(notice.owner),
    run_id: orNull(notice.runId),
    session_id: orNull(notice.sessionId),
    host: toLine(notice.host),
    since: toLine(notice.since),
    timestamp: madeAt.toISOString(),
  };
}

/** One redacted line of at most `longest` characters; a longer one ends with an ellipsis. */
export function toLine(text: string, longest = LONGEST_FIELD): string {
  // Redacted before it is cut: half a secret is no longer recognised as one.
  const line = redactText(text.toWellFormed().replace(DIRECTIONS, '').replace(BREAKS, ' ').trim());
  if (line.length <= longest) return line;
  // Without the first half of a character that the cut went through.
  return `${line.slice(0, longest - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
