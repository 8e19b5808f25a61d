import { SupervisorError } from '../core/errors.ts';

/** An attempt at a shard ended without finishing it. The queue gives the shard to a worker again, up to its number of retries. */
export class ShardUnfinishedError extends SupervisorError {
  readonly code = 'shard-unfinished';
  readonly consequence = 'retry';

  constructor(runId: string, reason: string) {
    super(`The shard ${runId} is not finished: ${reason}`, { data: { runId } });
  }
}
