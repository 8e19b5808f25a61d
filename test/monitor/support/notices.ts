import { inspect } from 'node:util';
import { makeLog, type Log } from '../../../src/core/log.ts';
import type { Notice } from '../../../src/monitor/alerts/notice.ts';

/** A notice like those that rules make, with some fields of one's own. */
export function makeNotice(fields: Partial<Notice> = {}): Notice {
  return {
    key: 'stuck:run-7',
    rule: 'stuck',
    status: 'firing',
    severity: 'critical',
    message: 'The run made no progress for 31 minutes.',
    next: 'npm run runs -- show run-7',
    owner: 'ann',
    runId: 'run-7',
    sessionId: 'session-3',
    since: '2026-03-01T12:00:00.000Z',
    host: 'box-1',
    ...fields,
  };
}

/** All that anything may ever print of an error: its texts, its hidden fields, its causes, and what a log makes of it. */
export function everythingOf(error: Error): string {
  const { log, lines } = makeKeptLog();
  log.error(error.message, { error, ...Object.fromEntries(Object.entries(error)) });
  return [
    String(error),
    error.stack,
    inspect(error, { depth: null, showHidden: true, getters: true }),
    JSON.stringify(error),
    ...lines,
    error.cause instanceof Error ? everythingOf(error.cause) : inspect(error.cause),
  ].join('\n');
}

/** A log whose lines are kept. */
export function makeKeptLog(): { readonly log: Log; readonly lines: readonly string[] } {
  const lines: string[] = [];
  return { log: makeLog({ format: 'text', write: (line) => void lines.push(line) }), lines };
}
