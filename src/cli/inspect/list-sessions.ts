/** The table of sessions. */
import { shortSessionId } from './subjects.ts';
import { count, describeNumbers, sum } from '../../core/describe-number.ts';
import { LIVE_STATUSES, SESSION_STATUSES, type SessionStatus, type StoredSession } from '../../model/session.ts';
import type { Registry } from '../../registry/registry.ts';
import { commandLine } from '../terminal/command-line.ts';
import { isSessionLeft, sessionToJson } from './render-session.ts';
import { renderColumns, renderLines } from '../terminal/text-table.ts';
import { describeAgo, describeSpan } from '../../core/describe-time.ts';
import { printJson, printResult } from '../terminal/terminal.ts';

/** A standby has no owner, but it has a browser. */
const CURRENT_STATUSES: readonly SessionStatus[] = [...LIVE_STATUSES, 'standby'];
const LAPSED_LIMIT = 1_000;

export interface SessionListOptions {
  /** Lists the sessions that are over, too. */
  readonly all?: boolean;
  readonly json?: boolean;
}

export async function listSessions(
  registry: Registry,
  { all = false, json = false }: SessionListOptions,
): Promise<void> {
  const found = await registry.sessions.list(all ? {} : { status: CURRENT_STATUSES });
  // The rows come newest first. The sort is stable, so they stay in that order.
  const sessions = found.toSorted((a, b) => Number(isCurrent(b)) - Number(isCurrent(a)));
  if (json) {
    printJson(sessions.map(sessionToJson));
    return;
  }
  const lapsed = new Set((await registry.sessions.listLapsed({ limit: LAPSED_LIMIT })).map(({ id }) => id));
  const byStatus = await registry.sessions.countByStatus();
  // Damaged rows are searched for only if the numbers differ, because the search reads all rows.
  const isShort = sessions.length < sum(all ? byStatus : pickCurrent(byStatus));
  const damaged = isShort ? (await registry.sessions.listDamaged()).length : 0;
  printResult(renderList(sessions, { lapsed, byStatus, damaged, all }));
}

function renderList(
  sessions: readonly StoredSession[],
  {
    lapsed,
    byStatus,
    damaged,
    all,
  }: {
    readonly lapsed: ReadonlySet<string>;
    readonly byStatus: Readonly<Record<string, number>>;
    readonly damaged: number;
    readonly all: boolean;
  },
): string {
  const total = sum(byStatus);
  const isMore = total > sum(pickCurrent(byStatus));
  if (total === 0)
    return renderLines([
      'No sessions yet. Runs create them; begin one:',
      `  ${commandLine('run', 'gather-catalog --help')}`,
    ]);
  const left = sessions.filter(isSessionLeft).length;
  const notes = [
    `${count(total, 'session')}: ${describeNumbers(byStatus, SESSION_STATUSES)}`,
    ...(all || !isMore ? [] : ['All of them:', `  ${commandLine('sessions', 'list --all')}`]),
    ...(left === 0
      ? []
      : [
          `${count(left, 'session')} without a process: the next run removes the leftovers. To do it now:`,
          `  ${commandLine('sessions', 'cleanup --execute')}`,
        ]),
    ...(damaged === 0
      ? []
      : [
          `${count(damaged, 'row')} damaged, and not shown. To bring damaged rows to a safe state:`,
          `  ${commandLine('sessions', 'cleanup --execute')}`,
        ]),
  ];
  const table = sessions.length === 0 ? 'There is no live session.\n' : renderSessions(sessions, lapsed);
  return `${table}\n${renderLines(notes)}`;
}

function renderSessions(sessions: readonly StoredSession[], lapsed: ReadonlySet<string>): string {
  return renderColumns(
    [
      { title: 'ID' },
      { title: 'OWNER', least: 8 },
      { title: 'STATUS' },
      { title: 'AGE', isNumber: true },
      { title: 'HEARTBEAT', isNumber: true },
      { title: 'RUN', least: 8 },
      { title: 'WHERE', least: 10, isOptional: true },
    ],
    sessions.map((session) => [
      shortSessionId(session.id),
      session.owner,
      statusWord(session, lapsed),
      describeSpan(Date.now() - Date.parse(session.createdAt)),
      describeAgo(session.lastHeartbeatAt),
      session.runId ?? '–',
      `${session.host}:${session.pid}`,
    ]),
  );
}

function statusWord(session: StoredSession, lapsed: ReadonlySet<string>): string {
  if (isSessionLeft(session)) return 'process gone';
  return lapsed.has(session.id) ? 'lease lapsed' : session.status;
}

function pickCurrent(byStatus: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(CURRENT_STATUSES.map((status) => [status, byStatus[status] ?? 0]));
}

function isCurrent({ status }: StoredSession): boolean {
  return CURRENT_STATUSES.includes(status);
}
