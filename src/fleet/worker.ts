/**
 * Takes shards from the queue and does them, each as a run of its own with its own sessions. The queue decides who works on a shard; the
 * lease of the shard's owner decides who may write. A worker that was suspended beyond its lease therefore writes nothing when it wakes.
 */
import { anySignal } from '../core/abort.ts';
import { CancelledError, describeError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { Periodic } from '../core/periodic.ts';
import { redactText } from '../core/redact.ts';
import type { Config } from '../config/config.ts';
import { isFinished, type StoredRun } from '../model/run.ts';
import type { Registry } from '../registry/registry.ts';
import { prepareRun, type Action, type RunOptions, type RunOutcome } from '../runs/runs.ts';
import { DEFAULT_QUEUE, DEFAULT_RETRIES } from './enqueue.ts';
import { ShardUnfinishedError } from './errors.ts';
import type { Queue, ShardJob, TakenJob } from './queue.ts';

/** How long a worker waits for the lease of the worker that had the shard before. It is longer than a lease. */
const LEASE_WAIT_MS = 60_000;
/** How often a worker asks the registry whether the parent was cancelled. */
const CANCEL_POLL_MS = 1_000;
/** How often a worker ends the runs whose shards have all ended. */
const SETTLE_MS = 10_000;
/** The time before a shard whose owner is busy is taken again. */
const BUSY_DELAY_SECONDS = 5;

export interface WorkerOptions {
  readonly registry: Registry;
  readonly queue: Queue;
  readonly config: Config;
  readonly log: Log;
  /** Returns the action by its name or file. Rejects if this machine does not have it. */
  readonly loadAction: (target: string) => Promise<LoadedAction>;
  /** @default `shards` */
  readonly queueName?: string;
  /** The number of shards that are done at a time. @default 1 */
  readonly concurrency?: number;
  readonly supervisor?: RunOptions['supervisor'];
  /** Called when a shard has ended, and when it is handed back. */
  readonly onShard?: (run: StoredRun) => void;
}

export interface LoadedAction extends Pick<RunOptions, 'sourceWarnings' | 'reloadAction'> {
  readonly action: Action;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #queueName: string;
  readonly #stop = new AbortController();
  readonly #settling: Periodic;

  static async start(options: WorkerOptions): Promise<Worker> {
    const worker = new Worker(options);
    await options.queue.work(worker.#queueName, {
      concurrency: options.concurrency ?? 1,
      handle: (job) => worker.#take(job),
      onDead: (data) => worker.#abandon(data),
    });
    worker.#settling.start();
    return worker;
  }

  private constructor(options: WorkerOptions) {
    this.#options = options;
    this.#queueName = options.queueName ?? DEFAULT_QUEUE;
    this.#settling = new Periodic({
      name: 'Ending the runs whose shards have ended',
      intervalMs: SETTLE_MS,
      log: options.log,
      work: () => options.registry.shards.settleAll(),
    });
  }

  /** Takes no more shards, and hands back those that are not finished after `limitMs`. Resolves when no shard is at work. */
  async drain(limitMs: number): Promise<void> {
    const reason = new CancelledError('The worker was stopped; another one continues the shard.');
    const limit = setTimeout(() => this.#stop.abort(reason), limitMs);
    try {
      await this.#options.queue.drain(this.#queueName);
    } finally {
      clearTimeout(limit);
      await this.#settling.stop();
    }
  }

  /** Resolves when the job is done or handed back. Rejects if it must be tried again. */
  async #take(job: TakenJob): Promise<void> {
    const { registry, log } = this.#options;
    const { parentId, runId } = job.data;
    const shard = await registry.runs.get(runId);
    if (shard !== undefined && !(await this.#isOver(shard, parentId))) {
      const attempt = await registry.shards.noteAttempt(runId);
      log.info(`Shard ${runId} of ${shard.action} begins, attempt ${attempt}`);
      await this.#attempt(job, attempt);
    }
    await registry.shards.settle(parentId);
    const ended = await registry.runs.get(runId);
    if (ended !== undefined) {
      log.info(`Shard ${runId} of ${ended.action} is ${ended.status}`);
      this.#options.onShard?.(ended);
    }
  }

  async #isOver(shard: StoredRun, parentId: string): Promise<boolean> {
    if (isFinished(shard.status) || (shard.status === 'cancelled' && shard.isCancelRequested)) return true;
    return this.#options.registry.shards.isCancelRequested(parentId);
  }

  async #attempt(job: TakenJob, attempt: number): Promise<void> {
    const { registry, log } = this.#options;
    const { data } = job;
    let error: StoredRun['error'];
    try {
      const outcome = await this.#run(job);
      if (isFinished(outcome.status)) return;
      const now = await registry.runs.get(data.runId);
      if (now?.isCancelRequested !== false || (await registry.shards.isCancelRequested(data.parentId))) return;
      error = outcome.error;
      const isBusy = error?.code === 'session-busy' || error?.code === 'session-capacity';
      if (isBusy || this.#stop.signal.aborted) {
        await this.#handBack(job, { attempt, delaySeconds: isBusy ? BUSY_DELAY_SECONDS : 0 });
        return;
      }
    } catch (thrown) {
      error = describeError(thrown);
    }
    const failure = { code: error?.code ?? 'error', message: redactText(error?.message ?? 'The shard did not end.') };
    log.warn(`Shard ${data.runId}: ${failure.message}${job.isLastAttempt ? '' : ' Another attempt follows.'}`);
    if (job.isLastAttempt) await registry.shards.abandon(data.runId, failure, attempt);
    else await registry.shards.handBack({ id: data.runId, attempt, error: failure });
    if (job.isLastAttempt) await registry.shards.settle(data.parentId);
    throw new ShardUnfinishedError(data.runId, failure.message);
  }

  /** Resumes the run of the shard, whether it has begun earlier or not. */
  async #run({ data, signal }: TakenJob): Promise<RunOutcome> {
    const { registry, config, log, supervisor } = this.#options;
    const { action, ...source } = await this.#options.loadAction(data.target);
    const cancelled = new AbortController();
    const poll = new Periodic({
      name: 'Asking whether the run was cancelled',
      intervalMs: CANCEL_POLL_MS,
      log,
      work: async () => {
        if (await registry.shards.isCancelRequested(data.parentId))
          cancelled.abort(new CancelledError('The run was cancelled from outside.'));
      },
    });
    const run = await prepareRun(
      action,
      {},
      {
        registry,
        config,
        log,
        ...source,
        resume: data.runId,
        isShard: true,
        output: false,
        waitMs: LEASE_WAIT_MS,
        signal: anySignal(this.#stop.signal, signal, cancelled.signal),
        ...(supervisor !== undefined && { supervisor }),
      },
    );
    poll.start();
    try {
      return await run.execute();
    } finally {
      await poll.stop();
    }
  }

  /** Gives the shard to the next worker. This costs none of its attempts, so a new job takes the place of this one. */
  async #handBack(
    { data, priority }: TakenJob,
    { attempt, delaySeconds }: { readonly attempt: number; readonly delaySeconds: number },
  ): Promise<void> {
    const { registry, queue } = this.#options;
    const shard = await registry.runs.get(data.runId);
    const retries = Number(shard?.options['retries'] ?? DEFAULT_RETRIES);
    await registry.shards.handBack({ id: data.runId, attempt }, (transaction) =>
      queue.add(this.#queueName, [{ data, priority, retries, delaySeconds }], transaction),
    );
  }

  /** Ends a shard whose workers were lost as often as it may be tried. */
  async #abandon({ parentId, runId }: ShardJob): Promise<void> {
    const { registry, log } = this.#options;
    const message = 'The shard was given up: each worker that took it was lost or failed.';
    await registry.shards.abandon(runId, { code: 'shard-abandoned', message });
    await registry.shards.settle(parentId);
    log.warn(`Shard ${runId} is given up`);
  }
}
