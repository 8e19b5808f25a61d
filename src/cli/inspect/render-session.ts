/** All facts about a session, one line per field. */
import { listAdvice } from '../../model/death-words.ts';
import { describeStoredDeath } from '../run/describe-death.ts';
import { shortSessionId } from './subjects.ts';
import { type StoredSession, isLive } from '../../model/session.ts';
import { redactValue } from '../../core/redact.ts';
import { commandLine } from '../terminal/command-line.ts';
import { isLeft } from './registry-commands.ts';
import { renderFields, type Field } from '../terminal/text-table.ts';
import { describeDuration, describeSpan, describeTime } from '../../core/describe-time.ts';

/** Returns whether a session is live in its row although the process that holds it is gone. */
export function isSessionLeft(session: StoredSession): boolean {
  return isLive(session) && isLeft(session);
}

export function renderSession(session: StoredSession): string {
  const { host, pid, driverPid, browserPid, startedAt, endedAt, lastHeartbeatAt, data } = session;
  const isGone = isSessionLeft(session);
  const processes = [`${host}:${pid}`, driverPid && `driver ${driverPid}`, browserPid && `browser ${browserPid}`];
  const fields: readonly Field[] = [
    ['id', session.id],
    ['owner', session.owner],
    ['status', isGone ? `${session.status}, but its process is gone` : session.status],
    [
      'death',
      session.death === null
        ? null
        : describeStoredDeath(session.death, session.death['message'] ?? session.errorMessage),
    ],
    ['advice', session.death === null ? null : listAdvice([session.death])],
    ['message', session.death === null ? session.errorMessage : null],
    ['run', session.runId],
    ['epoch', String(session.epoch)],
    ['process', processes.filter(Boolean).join(', ')],
    ['folder', session.folder],
    ['endpoint', session.endpoint],
    ['live view', isLive(session) ? session.liveView : null],
    ['WebDriver', session.webdriverId],
    ['created', describeTime(session.createdAt)],
    ['started', startedAt === null ? 'not yet' : describeTime(startedAt)],
    ['heartbeat', lastHeartbeatAt === null ? 'none yet' : describeTime(lastHeartbeatAt)],
    ['last used', describeTime(session.lastUsedAt)],
    ['lease', isLive(session) ? describeLease(session.leaseExpiresMs - Date.now()) : null],
    ['ended', endedAt === null ? null : describeTime(endedAt)],
    ['lasted', endedAt === null ? null : describeDuration(Date.parse(endedAt) - Date.parse(startedAt ?? endedAt))],
    ['label', session.label],
    ['data', data === null ? null : JSON.stringify(redactValue(data))],
  ];
  return renderFields(fields, describeNext(session, isGone));
}

/** Returns the stored row for programs, without secrets. */
export function sessionToJson(session: StoredSession): object {
  return {
    ...session,
    errorMessage: redactValue(session.errorMessage),
    label: redactValue(session.label),
    data: redactValue(session.data),
    isProcessGone: isSessionLeft(session),
  };
}

function describeLease(leftMs: number): string {
  return leftMs >= 0
    ? `runs out in ${describeSpan(leftMs)} unless it is renewed`
    : `ran out ${describeSpan(-leftMs)} ago`;
}

function describeNext(session: StoredSession, isGone: boolean): string[] {
  if (isGone) return [commandLine('sessions', 'cleanup --execute')];
  if (isLive(session)) return [commandLine('sessions', `end ${shortSessionId(session.id)}`)];
  return session.runId === null ? [] : [commandLine('runs', `show ${session.runId}`)];
}
