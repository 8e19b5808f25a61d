import type { StoredRun } from '../../../src/model/run.ts';
import type { StoredSession } from '../../../src/model/session.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { literal, rawSql } from '../../support/raw-sql.ts';

const MINUTE_MS = 60_000;
/** A process on another machine, so that the tests never end a process of this one. */
const PROCESS = { host: 'elsewhere', pid: 4_711, identity: 'one' };

export interface SessionChoice {
  readonly id: string;
  /** Default: a new owner. */
  readonly owner?: string;
  readonly runId?: string;
  readonly endpoint?: string;
  readonly liveView?: string;
  /** The manager that holds it. */
  readonly holder?: string;
}

/** Adds a session with a running browser, as a manager does. */
export async function startSession(
  registry: Registry,
  { id, owner = `owner of ${id}`, runId, endpoint, liveView, holder = 'manager' }: SessionChoice,
): Promise<StoredSession> {
  const claim = await registry.leases.claim({ id, owner, holder, process: PROCESS, leaseMs: 600_000, runId });
  if (!claim.isClaimed) throw new Error(`The owner ${owner} is taken.`);
  const facts = {
    webdriverId: `webdriver of ${id}`,
    driverPid: 2,
    browserPid: 3,
    folder: '/nowhere',
    endpoint,
    liveView,
  };
  return registry.leases.activate(id, holder, facts);
}

/** Adds a processing run with its own session, `session of <id>`. */
export async function startRun(
  registry: Registry,
  {
    id,
    owner = `owner of ${id}`,
    action = 'gather',
  }: { readonly id: string; readonly owner?: string; readonly action?: string },
): Promise<StoredRun> {
  const { token } = await startSession(registry, { id: `session of ${id}`, owner, runId: id });
  await registry.runs.create({ id, action, params: {}, owner });
  return registry.runs.begin(id, { token, process: PROCESS });
}

/** UTC, ISO 8601. */
export function minutesAgo(minutes: number): string {
  return new Date(Date.now() - minutes * MINUTE_MS).toISOString();
}

/** Sets the last progress of a run to the given minutes ago. */
export async function ageRun(registryUrl: string, id: string, minutes: number): Promise<void> {
  await rawSql(
    registryUrl,
    `update runs set last_progress_at = ${literal(minutesAgo(minutes))} where id = ${literal(id)}`,
  );
}

/** Sets the last command of a session to the given minutes ago. */
export async function ageSession(registryUrl: string, id: string, minutes: number): Promise<void> {
  await rawSql(
    registryUrl,
    `update sessions set last_used_at = ${literal(minutesAgo(minutes))} where id = ${literal(id)}`,
  );
}
