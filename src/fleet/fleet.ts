/**
 * The entry point of workers and schedules. Its invariants: a shard is a run of its own, which is resumed and never begun anew; the queue
 * only decides which worker takes it, and the run's lease decides which worker may write. Without PostgreSQL there is no queue.
 */
import { ConfigError } from '../core/errors.ts';
import { importOptional } from '../core/optional-package.ts';
import { redactUrl } from '../core/redact.ts';
import { isPostgresUrl } from '../registry/registry.ts';
import type { Queue, QueueOptions } from './queue.ts';

export { DEFAULT_QUEUE, DEFAULT_RETRIES, enqueue, resumeParent, type Enqueued } from './enqueue.ts';
export { addSchedule, listSchedules, removeSchedule, startScheduler, type NewSchedule } from './schedules.ts';
export type { Queue, QueueOptions } from './queue.ts';
export { Worker, type LoadedAction, type WorkerOptions } from './worker.ts';

/** Opens the queue in the database of the registry. Throws `ConfigError` if that is not PostgreSQL. `what` is the subject of the message. */
export async function openQueue(url: string, what: string, options: QueueOptions): Promise<Queue> {
  if (!isPostgresUrl(url))
    throw new ConfigError(
      `${what} a registry in PostgreSQL, because several machines share it. REGISTRY_URL is ${redactUrl(url)}; set it to postgres://host/database.`,
    );
  const { Queue: Opened } = await importOptional('queue', () => import('./queue.ts'));
  return Opened.open(url, options);
}
