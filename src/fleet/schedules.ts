/** Schedules: pg-boss's cron sends a job at the time, and the worker that takes it enqueues the action. */
import { ConfigError, toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Registry } from '../registry/registry.ts';
import { enqueue } from './enqueue.ts';
import type { Queue } from './queue.ts';
import type { LoadedAction } from './worker.ts';

const KEY = /^[\w-]{1,60}$/;

/** The work that a schedule enqueues. */
export interface ScheduledWork {
  /** The name or file of the action. */
  readonly target: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly queueName: string;
  readonly retries: number;
  readonly count?: number;
  /** True if the action is enqueued although its last run has not ended. */
  readonly allowsOverlap: boolean;
}

export interface NewSchedule extends ScheduledWork {
  /** The name of the schedule; a second one with the same name replaces it. */
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
}

export interface Schedule extends NewSchedule {
  readonly next: Date | undefined;
}

/** Stores a schedule. Throws `ConfigError` before that if its name, times or zone are wrong. Returns the next time. */
export async function addSchedule(queue: Queue, { name, cron, timezone, ...work }: NewSchedule): Promise<Date> {
  if (!KEY.test(name))
    throw new ConfigError(
      `The schedule's name is ${JSON.stringify(name)}; it must be 1 to 60 letters, digits, - or _.`,
    );
  assertTimezone(timezone);
  const next = nextOf(queue, cron, timezone);
  if (next === undefined) throw new ConfigError(`--cron is ${JSON.stringify(cron)}, which never comes.`);
  await queue.setSchedule({ key: name, cron, timezone, data: work });
  return next;
}

export async function listSchedules(queue: Queue): Promise<Schedule[]> {
  const stored = await queue.listSchedules();
  return stored.map(({ key, cron, timezone, data }) => ({
    ...(data as ScheduledWork),
    name: key,
    cron,
    timezone,
    next: nextOf(queue, cron, timezone),
  }));
}

/** Returns false if there is no such schedule. */
export async function removeSchedule(queue: Queue, name: string): Promise<boolean> {
  if (!(await queue.listSchedules()).some(({ key }) => key === name)) return false;
  await queue.removeSchedule(name);
  return true;
}

export interface SchedulerOptions {
  readonly registry: Registry;
  readonly queue: Queue;
  readonly log: Log;
  readonly loadAction: (target: string) => Promise<LoadedAction>;
}

/** Enqueues what is scheduled, when its time comes, until the queue is closed. */
export async function startScheduler(options: SchedulerOptions): Promise<void> {
  await options.queue.onSchedule((data) => enqueueScheduled(data as ScheduledWork, options));
}

async function enqueueScheduled(
  { target, params, queueName, retries, count, allowsOverlap }: ScheduledWork,
  { registry, queue, log, loadAction }: SchedulerOptions,
): Promise<void> {
  const { action } = await loadAction(target);
  const before = await registry.runs.list({ action: action.name, hasShards: false, status: 'pending' });
  const open = before.find(({ shards, endedAt }) => shards !== null && endedAt === null);
  if (open !== undefined && !allowsOverlap) {
    log.warn(`The scheduled ${action.name} is left out, because its run ${open.id} has not ended`);
    return;
  }
  const { parentId, shards } = await enqueue(action, params, { registry, queue, queueName, target, retries, count });
  log.info(`Enqueued the scheduled ${action.name} as run ${parentId} with ${shards} shards`);
}

function nextOf({ boss }: Queue, cron: string, timezone: string): Date | undefined {
  try {
    return boss.previewSchedule(cron, { tz: timezone, count: 1 })[0];
  } catch (thrown) {
    throw new ConfigError(
      `--cron is ${JSON.stringify(cron)}, which is no cron expression: ${toError(thrown).message}. Write minute, hour, day, month and weekday, such as "0 6 * * *".`,
    );
  }
}

function assertTimezone(timezone: string): void {
  try {
    Intl.DateTimeFormat('en', { timeZone: timezone });
  } catch {
    throw new ConfigError(
      `--tz is ${JSON.stringify(timezone)}, which is no time zone. Write one such as Europe/Prague or UTC.`,
    );
  }
}
