import type { StoredSession } from '../model/session.ts';
import { SupervisorError } from '../core/errors.ts';

/** Another caller holds the owner's only live session. The message names the process, and the time since when it holds it. */
export class SessionBusyError extends SupervisorError {
  readonly code = 'session-busy';
  readonly consequence = 'abort-run';
  /** The session that holds the owner. */
  readonly heldBy: StoredSession;

  constructor(heldBy: StoredSession, { waitedMs }: { readonly waitedMs: number }) {
    const { owner, host, pid, createdAt, runId } = heldBy;
    const forWhat = runId === null ? '' : ` for run ${runId}`;
    const waited = waitedMs < 1_000 ? '' : `, also after ${Math.round(waitedMs / 1_000)} s of waiting`;
    super(
      `The owner "${owner}" is busy${waited}: process ${pid} on ${host} has its session since ${createdAt}${forWhat}. ` +
        'Wait for it (--wait SECONDS), end that run, or use another --owner.',
      { data: { owner, host, pid, since: createdAt, sessionId: heldBy.id } },
    );
    this.heldBy = heldBy;
  }
}

/** This process has the maximum number of sessions, and all of them are in use. */
export class SessionCapacityError extends SupervisorError {
  readonly code = 'session-capacity';
  readonly consequence = 'abort-run';

  constructor(capacity: number) {
    super(`All ${capacity} session slots of this process are in use. Wait, end a session, or raise MAX_SESSIONS.`, {
      data: { capacity },
    });
  }
}

/** The registry has no session with this id. */
export class SessionNotFoundError extends SupervisorError {
  readonly code = 'session-not-found';
  readonly consequence = 'fail-step';

  constructor(id: string) {
    super(`There is no session ${id} in the registry. \`sessions list\` shows all sessions.`, {
      data: { sessionId: id },
    });
  }
}

/** Other work of this process held the session's lock for too long. */
export class SessionLockError extends SupervisorError {
  readonly code = 'session-lock';
  readonly consequence = 'retry';

  constructor(id: string, limitMs: number) {
    super(`The lock of session ${id} was not free within ${limitMs / 1_000} s, because other work holds it.`, {
      data: { sessionId: id, limitMs },
    });
  }
}
