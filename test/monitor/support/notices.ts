import { inspect } from 'node:util';
import { makeLog, type Log } from '../../../src/core/log.ts';
import type { Notice } from '../../../src/monitor/alerts/notice.ts';

/** Makes a notice like those of the rules, with the given fields. */
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

/** Returns everything that can be printed of an error: its texts, hidden fields, causes, and its log line. */
export function everythingOf(error: Error): string {
  const { log, lines } = makeRecordedLog();
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

/** Makes a log that stores its lines. */
export function makeRecordedLog(): { readonly log: Log; readonly lines: readonly string[] } {
  const lines: string[] = [];
  return { log: makeLog({ format: 'text', write: (line) => void lines.push(line) }), lines };
}
