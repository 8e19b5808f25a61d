import { thisProcess } from '../../../src/driver/driver.ts';
import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { insertSession, literal, rawSql } from '../../support/raw-sql.ts';
import type { TestRegistries } from '../../support/registries.ts';
import { runCli, type CliResult } from '../cli.ts';

const { host } = thisProcess();
/** A process of this machine that is gone. */
const PROCESS = { host, pid: 4_711, identity: 'another start of the machine/1' };
const MINUTE_MS = 60_000;

export interface IdleRun {
  readonly id: string;
  /** The minutes without progress. */
  readonly minutes: number;
  /** The owner; default: the id. */
  readonly owner?: string;
  readonly action?: string;
  /** The total of its counts. */
  readonly total?: number;
  readonly host?: string;
  /** The temporary folder of its session. */
  readonly folder?: string;
}

export function minutesAgo(minutes: number): string {
  return new Date(Date.now() - minutes * MINUTE_MS).toISOString();
}

/** Inserts a working run under its own session, `of <id>`. One of its steps is done, with a record. */
export async function addRun(url: string, registry: Registry, run: IdleRun): Promise<void> {
  const { id, minutes, owner = id, action = 'gather', total = 9, folder = '/tmp/none' } = run;
  const process = { ...PROCESS, host: run.host ?? host };
  const sessionId = `of ${id}`;
  const claim = { id: sessionId, owner, holder: 'me', process, leaseMs: MINUTE_MS, runId: id };
  const answer = await registry.leases.claim(claim);
  if (!answer.isClaimed) throw new Error(`Somebody has the owner ${owner}.`);
  const facts = { webdriverId: 'w', driverPid: 2, browserPid: 3, folder, endpoint: undefined };
  const { token } = await registry.leases.activate(sessionId, 'me', facts);
  await registry.runs.create({ id, action, params: {}, owner });
  const stored = await registry.runs.begin(id, { token, process });
  const counts = { total, queued: total - 2, running: 1, done: 1, failed: 0, cancelled: 0, skipped: 0 };
  const store = registry.runs.openStore(stored, {
    token,
    snapshot: () => ({ counts, display: null, sessions: 1, deaths: [], durationMs: 0, reused: 0, contextLosses: 0 }),
    onFailure: (error) => {
      throw error;
    },
    onCancel: () => undefined,
  });
  const records = [{ dataset: 'records', key: 'first', json: '{"first":true}' }];
  await store.endStep({ batch: null, key: 'first' }, { status: 'done', value: '1', records }, 0);
  await store.close();
  const then = literal(minutesAgo(minutes));
  await rawSql(url, `update runs set last_progress_at = ${then} where id = ${literal(id)}`);
}

/** Inserts a session without a run that got no command for this time. */
export async function addSession(
  url: string,
  { id, minutes, ...columns }: { readonly id: string; readonly minutes: number; readonly owner?: string },
): Promise<void> {
  const leaseMs = Date.now() + MINUTE_MS;
  await rawSql(
    url,
    insertSession({ id, owner: id, host, last_used_at: minutesAgo(minutes), lease_expires_ms: leaseMs, ...columns }),
  );
}

/** Returns the statuses of all runs and sessions by their ids. */
export async function statusesOf(registry: Registry): Promise<Record<string, string>> {
  const rows = [...(await registry.runs.list()), ...(await registry.sessions.list())];
  return Object.fromEntries(rows.map(({ id, status }) => [id, status]));
}

/** Returns the number of columns that a terminal needs for the text. */
export function widthOf(line: string): number {
  return Array.from(line).reduce((sum, letter) => sum + (/[漢字]/.test(letter) ? 2 : 1), 0);
}

/** Gives each test its own registry, and a command that reads it. */
export interface Stage {
  readonly url: string;
  readonly registry: Registry;
  readonly run: (args?: readonly string[], environment?: Readonly<Record<string, string>>) => Promise<CliResult>;
}

export function useStage(command: string, { url: makeUrl }: TestRegistries): () => Stage {
  let stage: Stage;
  beforeEach(async () => {
    const url = await makeUrl();
    stage = {
      url,
      registry: await openRegistry(url),
      run: (args = [], environment = {}) =>
        runCli([command, ...args], { environment: { REGISTRY_URL: url, ...environment } }),
    };
  });
  afterEach(() => stage.registry.close());
  return () => stage;
}
