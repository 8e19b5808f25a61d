import type { StoredRun } from '../../src/model/run.ts';
import type { StoredSession } from '../../src/model/session.ts';

const TIME = '2026-01-01T12:00:00.000Z';

/** Returns a run as the registry returns it. */
export function makeStoredRun(parts: Partial<StoredRun> = {}): StoredRun {
  return {
    id: 'run-7',
    action: 'gather',
    params: {},
    owner: 'ann',
    status: 'processing',
    token: 1,
    lastToken: 1,
    writer: 'writer',
    isCancelRequested: false,
    commitNumber: 0,
    counts: { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 },
    records: 0,
    sessions: 1,
    reused: 0,
    contextLosses: 0,
    deaths: [],
    display: null,
    error: null,
    outputs: {},
    options: {},
    host: 'there',
    pid: 1,
    processIdentity: 'one',
    createdAt: TIME,
    startedAt: TIME,
    endedAt: null,
    updatedAt: TIME,
    lastProgressAt: TIME,
    durationMs: 0,
    parentId: null,
    shard: null,
    shards: null,
    attempts: 0,
    givenUpAt: null,
    ...parts,
  };
}

/** Returns a session as the registry returns it. */
export function makeStoredSession(parts: Partial<StoredSession> = {}): StoredSession {
  return {
    id: 'session-3',
    owner: 'ann',
    status: 'active',
    token: 1,
    holder: 'me',
    releasedAt: null,
    liveView: null,
    leaseExpiresMs: 0,
    webdriverId: null,
    epoch: 1,
    runId: null,
    host: 'there',
    pid: 1,
    processIdentity: 'one',
    driverPid: null,
    browserPid: null,
    folder: null,
    endpoint: null,
    createdAt: TIME,
    startedAt: null,
    lastHeartbeatAt: null,
    lastUsedAt: TIME,
    endedAt: null,
    death: null,
    errorMessage: null,
    label: null,
    data: null,
    ...parts,
  };
}
