/**
 * The queue of shards: pg-boss in the registry's PostgreSQL, in a schema of its own. This is the only file that imports pg-boss. It is loaded
 * with the first queue.
 */
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

import { PgBoss, type JobWithMetadata } from 'pg-boss';

import { ConfigError, toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { redactText } from '../core/redact.ts';
import type { SharedTransaction } from '../registry/registry.ts';

/** The schema of pg-boss, beside the tables of the registry. */
export const QUEUE_SCHEMA = 'webdriver_supervisor_queue';
/** A worker that is silent for this time is lost; its shard goes to another one. The minimum of pg-boss is 10 s. */
const HEARTBEAT_SECONDS = 10;
/** How often a worker looks for lost workers. */
const SUPERVISE_SECONDS = 5;
/** How often a worker asks for the next shard when it has found none. */
const POLL_SECONDS = 1;
/** The time limit of one attempt; the maximum of pg-boss is a day. A shard without progress ends much sooner, by SESSION_TIMEOUT_MINUTES. */
const EXPIRE_SECONDS = 86_000;
const RETRY_DELAY_SECONDS = 1;
const MAX_RETRY_DELAY_SECONDS = 60;
/** How long the jobs of ended shards are kept. */
const KEEP_SECONDS = 86_400;
/** The queue of the jobs that pg-boss sends at the time of a schedule. */
const SCHEDULES = 'schedules';
const MAX_CONNECTIONS = 4;
const STOP_LIMIT_MS = 10_000;

/** One shard as a job. */
export interface ShardJob {
  readonly parentId: string;
  readonly runId: string;
  /** The name or file of the action, as the user named it. */
  readonly target: string;
}

/** A job that a worker holds. */
export interface TakenJob {
  readonly data: ShardJob;
  readonly priority: number;
  /** If the attempt fails, the job is not tried again. */
  readonly isLastAttempt: boolean;
  /** Aborts when the job no longer belongs to this worker. */
  readonly signal: AbortSignal;
}

export interface NewJob {
  readonly data: ShardJob;
  readonly priority: number;
  readonly retries: number;
  /** The seconds before which no worker takes the job. @default 0 */
  readonly delaySeconds?: number;
}

/** A schedule as pg-boss stores it. */
export interface StoredSchedule {
  readonly key: string;
  readonly cron: string;
  readonly timezone: string;
  readonly data: object;
}

export interface QueueOptions {
  readonly log: Log;
  /** True for a worker, which also looks for lost workers and enqueues what is scheduled. */
  readonly isWorker?: boolean;
}

export class Queue implements AsyncDisposable {
  readonly boss: PgBoss;
  readonly #known = new Set<string>();

  /** Connects to the queue of the registry at `url`, and creates its tables if there are none. Throws `ConfigError` if it is of a newer version. */
  static async open(url: string, { log, isWorker = false }: QueueOptions): Promise<Queue> {
    const client = await start(url, { log, isWorker: false });
    try {
      const version = await client.schemaVersion();
      const known = readKnownVersion();
      if (version !== null && version > known)
        throw new ConfigError(
          `The queue in the schema ${QUEUE_SCHEMA} was made by a newer pg-boss (version ${version}; this program knows ${known}). Update pg-boss on this machine: npm install pg-boss@latest`,
        );
    } catch (thrown) {
      await client.stop({ graceful: false });
      throw thrown;
    }
    if (!isWorker) return new Queue(client);
    await client.stop({ graceful: false });
    return new Queue(await start(url, { log, isWorker }));
  }

  private constructor(boss: PgBoss) {
    this.boss = boss;
  }

  /** Adds jobs to a queue that {@link prepare} has prepared, in a transaction. Of jobs with the same priority the oldest is taken first. */
  async add(name: string, jobs: readonly NewJob[], transaction: SharedTransaction): Promise<void> {
    await this.boss.insert(
      name,
      jobs.map(({ data, priority, retries, delaySeconds = 0 }) => ({
        data,
        priority,
        retryLimit: retries,
        ...(delaySeconds > 0 && { startAfter: delaySeconds }),
      })),
      { db: transaction },
    );
  }

  /** Takes up to `concurrency` jobs at a time. If `handle` rejects, the job is tried again, or goes to `onDead` after its last attempt. */
  async work(
    name: string,
    {
      concurrency,
      handle,
      onDead,
    }: {
      readonly concurrency: number;
      readonly handle: (job: TakenJob) => Promise<void>;
      readonly onDead: (data: ShardJob) => Promise<void>;
    },
  ): Promise<void> {
    await this.prepare(name);
    const options = { pollingIntervalSeconds: POLL_SECONDS, includeMetadata: true } as const;
    for (let place = 0; place < concurrency; place += 1) {
      let worker = '';
      worker = await this.boss.work(name, options, async ([job]: JobWithMetadata<ShardJob>[]) => {
        if (job === undefined) return;
        const { data, priority, retryCount, retryLimit, signal } = job;
        try {
          await handle({ data, priority, signal, isLastAttempt: retryCount >= retryLimit });
        } finally {
          // It asks for the next job at once, and waits only when there was none.
          this.boss.notifyWorker(worker);
        }
      });
    }
    await this.boss.work<ShardJob>(toDeadName(name), { pollingIntervalSeconds: POLL_SECONDS }, async ([job]) => {
      if (job !== undefined) await onDead(job.data);
    });
  }

  /** Takes no more jobs. Resolves when the jobs at work have ended. */
  async drain(name: string): Promise<void> {
    await this.boss.offWork(name, { wait: true });
  }

  /** Stores a schedule; it replaces one with the same key. */
  async setSchedule({ key, cron, timezone, data }: StoredSchedule): Promise<void> {
    await this.#createSchedules();
    await this.boss.schedule(SCHEDULES, cron, data, { key, tz: timezone });
  }

  async listSchedules(): Promise<StoredSchedule[]> {
    const schedules = await this.boss.getSchedules(SCHEDULES);
    return schedules.map(({ key, cron, timezone, data = {} }) => ({ key, cron, timezone, data }));
  }

  async removeSchedule(key: string): Promise<void> {
    await this.boss.unschedule(SCHEDULES, key);
  }

  /** Calls `handle` when the time of a schedule comes, in one of the workers, and for one schedule at a time. */
  async onSchedule(handle: (data: object) => Promise<void>): Promise<void> {
    await this.#createSchedules();
    await this.boss.work<object>(SCHEDULES, { pollingIntervalSeconds: POLL_SECONDS }, async ([job]) => {
      if (job !== undefined) await handle(job.data);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.boss.stop({ graceful: true, timeout: STOP_LIMIT_MS });
  }

  async #createSchedules(): Promise<void> {
    await this.boss.createQueue(SCHEDULES, { policy: 'singleton', deleteAfterSeconds: KEEP_SECONDS });
  }

  /** Creates the queue if it is missing. */
  async prepare(name: string): Promise<void> {
    if (this.#known.has(name)) return;
    const dead = toDeadName(name);
    await this.boss.createQueue(dead, { deleteAfterSeconds: KEEP_SECONDS });
    await this.boss.createQueue(name, {
      deadLetter: dead,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      expireInSeconds: EXPIRE_SECONDS,
      retryDelay: RETRY_DELAY_SECONDS,
      retryBackoff: true,
      retryDelayMax: MAX_RETRY_DELAY_SECONDS,
      deleteAfterSeconds: KEEP_SECONDS,
    });
    this.#known.add(name);
  }
}

function toDeadName(name: string): string {
  return `${name}.dead`;
}

async function start(url: string, { log, isWorker = false }: QueueOptions): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString: url,
    schema: QUEUE_SCHEMA,
    application_name: 'webdriver-supervisor',
    max: MAX_CONNECTIONS,
    supervise: isWorker,
    schedule: isWorker,
    superviseIntervalSeconds: SUPERVISE_SECONDS,
    monitorIntervalSeconds: SUPERVISE_SECONDS,
  });
  boss.on('error', (error) => log.warn(`The queue: ${redactText(error.message)}`));
  try {
    return await boss.start();
  } catch (thrown) {
    const reason = redactText(toError(thrown).message);
    throw new ConfigError(`The queue in the registry's database can't be used: ${reason}. Check REGISTRY_URL.`, {
      cause: thrown,
    });
  }
}

/** Returns the version of the tables that the installed pg-boss makes. */
function readKnownVersion(): number {
  const file = findPackageJSON('pg-boss', import.meta.url) ?? '';
  return (JSON.parse(readFileSync(file, 'utf8')) as { pgboss: { schema: number } }).pgboss.schema;
}
