import type { StoredSession } from '../model/session.ts';
import { SupervisorError } from '../core/errors.ts';

/** Somebody else holds the owner's one live session. The message names who, and since when. */
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

/** This process has as many sessions as it may, and all of them are at work. */
export class SessionCapacityError extends SupervisorError {
  readonly code = 'session-capacity';
  readonly consequence = 'abort-run';

  constructor(capacity: number) {
    super(`All ${capacity} sessions that this process may have are at work. Wait, end one, or raise MAX_SESSIONS.`, {
      data: { capacity },
    });
  }
}

/** There is no such session in the registry. */
export class SessionNotFoundError extends SupervisorError {
  readonly code = 'session-not-found';
  readonly consequence = 'fail-step';

  constructor(id: string) {
    super(`There is no session ${id} in the registry. \`sessions list\` shows those that there are.`, {
      data: { sessionId: id },
    });
  }
}

/** The session's lock was held for too long by other work of this process. */
export class SessionLockError extends SupervisorError {
  readonly code = 'session-lock';
  readonly consequence = 'retry';

  constructor(id: string, limitMs: number) {
    super(`The lock of session ${id} could not be had within ${limitMs / 1_000} s: other work holds it.`, {
      data: { sessionId: id, limitMs },
    });
  }
}
