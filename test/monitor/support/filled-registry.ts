import { RUN_STATUSES, type StoredRunStatus } from '../../../src/model/run.ts';
import { type Registry } from '../../../src/registry/registry.ts';
import { insertSession, literal, rawSql } from '../../support/raw-sql.ts';
import { ageRun, ageSession, startRun, startSession } from './rows.ts';
import { makeDeath } from '../../support/make-death.ts';

export const ODD_OWNER = 'Zoë "O\'Neil" & Söhne/№ 7?a=b#c%41 <i>\n日本';
export const DISK_FULL = {
  reason: 'disk-full',
  confidence: 'certain',
  evidence: ['0 MB of 1 MB are free in TMPDIR'],
  advice: 'Free space in TMPDIR.',
} as const;
const DEATH = {
  cause: 'browser-gone',
  detectedBy: 'devtools',
  message: 'the browser went away',
  diagnosis: DISK_FULL,
  at: '2026-03-01T12:00:00.000Z',
  detectedAfterMs: 40,
  cancelled: { queued: 2, inFlight: 1, refused: 0 },
};
const DECLARED = makeDeath({ diagnosis: DISK_FULL, evidence: { message: DEATH.message, url: null, lastCommands: [] } });
export const ENDED_RUNS = RUN_STATUSES.filter((status) => status !== 'pending' && status !== 'processing');

/** Adds sessions and runs in all statuses, some slow and some stuck. */
export async function fillRegistry(registry: Registry, url: string): Promise<void> {
  const { runs, leases } = registry;
  // Live sessions with a processing run.
  await startRun(registry, { id: 'working' });
  await startRun(registry, { id: 'slow', action: 'crawl' });
  await runs.setProgress('slow', { done: 3, total: 12, label: 'pages' });
  await ageRun(url, 'slow', 20);
  await startRun(registry, { id: 'stuck', owner: ODD_OWNER });
  await ageRun(url, 'stuck', 45);
  // A run without a live session.
  await startRun(registry, { id: 'bare' });
  await ageRun(url, 'bare', 90);
  await rawSql(url, `delete from sessions where id = 'session of bare'`);
  // Live sessions without a run, or with an ended one.
  await startSession(registry, { id: 'fresh' });
  await startSession(registry, { id: 'quiet' });
  await ageSession(url, 'quiet', 16);
  await startSession(registry, { id: 'idle' });
  await ageSession(url, 'idle', 31);
  await startSession(registry, { id: 'kept', runId: 'completed', endpoint: 'http://grid:4444/' });
  await rawSql(url, insertSession({ id: 'starting', owner: 'owner of starting', status: 'starting' }));
  await rawSql(url, insertSession({ id: 'standby', owner: 'owner of standby', status: 'standby' }));
  // Ended sessions and runs.
  for (const status of ['ended', 'expired', 'dead', 'timed_out'] as const) {
    await startSession(registry, { id: status });
    const why = {
      ended: {},
      expired: { message: 'its process is gone' },
      dead: { death: DEATH },
      timed_out: { message: 'no command for 31 min' },
    }[status];
    await leases.release(status, 'manager', { status, ...why });
  }
  for (const id of ['pending', 'pending too']) await create(registry, id);
  for (const status of ENDED_RUNS) await end(registry, status);
  await rawSql(
    url,
    `update runs set total = 8, done = 4, failed = 2, cancelled = 1, skipped = 1, sessions = 2, duration_ms = 1234,
      deaths = ${literal(JSON.stringify([DECLARED]))} where id = 'failed'`,
  );
  await create(registry, 'with records');
  for (const key of ['b', 'a', ODD_OWNER, 'x'.repeat(180), 'x'.repeat(3_000), ''])
    await runs.saveRecord('with records', { of: key }, { key });
  await runs.saveRecord('with records', { of: 'z' }, { key: 'z', dataset: 'other' });
}

async function create(registry: Registry, id: string): Promise<void> {
  await registry.runs.create({ id, action: 'gather', params: {}, owner: `owner of ${id}` });
}

async function end(registry: Registry, status: StoredRunStatus): Promise<void> {
  await create(registry, status);
  await registry.runs.setStatus(
    status,
    status,
    status === 'completed' ? undefined : { code: 'units-failed', message: `it was ${status}` },
  );
}
