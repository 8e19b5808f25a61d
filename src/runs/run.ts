/**
 * One run of an action: sessions come and go, the run stays. After each death `run` is entered again from the top on a new session, and
 * what was finished is not done again, until the action returns, fails, is cancelled, or no recovery is left.
 */
import { randomBytes } from 'node:crypto';

import { raceSignal, settlesWithin } from '../core/abort.ts';
import { ActionError, CancelledError, describeError, SupervisorError, toError } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import { openMemoryRunStore, type RunStore } from '../registry/registry.ts';
import {
  RestartLimitError,
  SessionDeathError,
  SessionSupervisor,
  type Death,
  type SupervisorOptions,
} from '../supervisor/supervisor.ts';
import type { Action } from './define-action.ts';
import { exportRecords } from './export.ts';
import { Ledger } from './ledger.ts';
import { deathOf } from './death-signal.ts';
import { makePrepareContext, makeRunEntry, type ContextParts } from './make-context.ts';
import type { RunCounts, RunOutcome, RunStatus } from './outcome.ts';
import type { PlannedRun } from './run-options.ts';
import { SessionPool } from './session-pool.ts';

/** No step finished, no record was saved and no progress was told for as long as the setting allows. */
export class RunTimeoutError extends SupervisorError {
  readonly code = 'run-timed-out';
  readonly consequence = 'abort-run';

  constructor(limitMs: number) {
    super(
      `The run made no progress for ${limitMs / 60_000} minutes and was ended. Where one step may take so long, raise SESSION_TIMEOUT_MINUTES or call ctx.progress.`,
      { data: { limitMs } },
    );
  }
}

/** What somebody who watches a run may see of it at any time. */
export interface RunProgress {
  readonly counts: RunCounts;
  /** What the action told with `ctx.progress`, if anything. */
  readonly display: { readonly done: number; readonly total: number; readonly label?: string } | null;
  readonly records: number;
  readonly sessions: number;
  readonly deaths: readonly Death[];
  readonly state: 'starting' | 'running' | 'recovering' | 'finishing';
}

/** Code of an action that goes on after its session's death, or after a cancel, is waited for so long, then left behind. */
const LEAVE_LIMIT_MS = 5_000;

/** Node's timers fire at once beyond it. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

type Ending =
  | { readonly kind: 'returned' }
  | { readonly kind: 'died'; readonly error: SessionDeathError }
  | { readonly kind: 'failed'; readonly error: Error };

export class Run {
  readonly id: string;
  readonly owner: string;
  readonly #action: Action;
  readonly #params: Record<string, unknown>;
  readonly #plan: PlannedRun;
  readonly #stop = new AbortController();
  readonly #store: RunStore = openMemoryRunStore();
  readonly #ledger = new Ledger();
  readonly #deaths: Death[] = [];
  readonly #startedAt = performance.now();
  #sessions = 0;
  #records = 0;
  #state: RunProgress['state'] = 'starting';
  #display: RunProgress['display'] = null;
  #stall: NodeJS.Timeout | undefined;

  constructor(action: Action, params: Record<string, unknown>, plan: PlannedRun) {
    this.#action = action;
    this.#params = params;
    this.#plan = plan;
    this.id = plan.runId;
    this.owner = plan.owner;
  }

  get progress(): RunProgress {
    return {
      counts: this.#ledger.counts,
      display: this.#display,
      records: this.#records,
      sessions: this.#sessions,
      deaths: this.#deaths,
      state: this.#state,
    };
  }

  /** Runs to the end. Resolves with the outcome whatever happens in the action; nothing is left running then. */
  async execute(): Promise<RunOutcome> {
    const { signal } = this.#plan;
    const onCancel = () => this.#stop.abort(toCancelled(signal?.reason));
    if (signal?.aborted) onCancel();
    signal?.addEventListener('abort', onCancel, { once: true });
    this.#noteProgress();
    try {
      const ending = await this.#work();
      this.#state = 'finishing';
      return await this.#finish(ending);
    } finally {
      clearTimeout(this.#stall);
      signal?.removeEventListener('abort', onCancel);
      await this.#store.close();
    }
  }

  async #work(): Promise<Ending> {
    let supervisor: SessionSupervisor;
    try {
      supervisor = await this.#startSession(this.owner);
    } catch (thrown) {
      return { kind: 'failed', error: this.#stop.signal.aborted ? toError(this.#stop.signal.reason) : toError(thrown) };
    }
    const pool = new SessionPool({
      main: supervisor,
      start: (number) => this.#startSession(`${this.owner}#${number}`),
      restart: (slot, signal) => slot.restart({ signal }),
      prepare: (slot, signal) => this.#prepare(slot, signal),
      onDeath: (death) => {
        if (!this.#plan.recover) this.#stop.abort(death);
      },
      // Also where the action catches what its batch then throws: without its sessions the run is not what was asked for.
      onFailure: (failure) => this.#stop.abort(failure),
    });
    try {
      return await this.#enterUntilDone(supervisor, pool);
    } finally {
      // Code that is left behind, and sessions that are still being started, end here.
      this.#stop.abort(new CancelledError('The run is over.'));
      await Promise.all([supervisor.stop(), pool.stop()]);
    }
  }

  async #enterUntilDone(supervisor: SessionSupervisor, pool: SessionPool): Promise<Ending> {
    for (;;) {
      this.#state = 'running';
      const ending = await this.#enter(supervisor, pool);
      if (ending.kind !== 'died' || !this.#plan.recover || this.#stop.signal.aborted) return ending;
      this.#state = 'recovering';
      try {
        await supervisor.restart({ signal: this.#stop.signal });
      } catch (thrown) {
        return { kind: 'failed', error: toError(thrown) };
      }
    }
  }

  /** One entry: `prepare`, then `run`, on the supervisor's current session. Never rejects. */
  async #enter(supervisor: SessionSupervisor, pool: SessionPool): Promise<Ending> {
    const { signal: sessionSignal } = supervisor;
    let failure: Error | undefined;
    try {
      await this.#prepare(supervisor, this.#stop.signal);
      await using entry = makeRunEntry({
        ...this.#contextParts(supervisor),
        store: this.#store,
        ledger: this.#ledger,
        pool,
        sessions: this.#plan.sessions,
        onProgress: () => this.#noteProgress(),
        onDisplay: (display) => (this.#display = display),
      });
      await this.#untilOver('run', supervisor, async () => this.#action.run(entry.context));
      const [forgotten] = entry.unfinished();
      if (forgotten !== undefined) {
        throw new ActionError(`\`run\` returned while ${forgotten} was not finished. Put \`await\` before it.`);
      }
    } catch (thrown) {
      failure = toError(thrown);
    }
    if (this.#stop.signal.aborted) return { kind: 'failed', error: toError(this.#stop.signal.reason) };
    const death = deathOf(sessionSignal);
    // What `run` returned or threw on a dead session is not its answer.
    if (death !== undefined) return { kind: 'died', error: death };
    const error = supervisor.criticalFailure ?? pool.criticalFailure ?? failure;
    return error === undefined ? { kind: 'returned' } : { kind: 'failed', error };
  }

  async #prepare(supervisor: SessionSupervisor, signal: AbortSignal): Promise<void> {
    const context = makePrepareContext({ ...this.#contextParts(supervisor), runSignal: signal });
    await this.#untilOver('prepare', supervisor, async () => this.#action.prepare?.(context));
  }

  /** Waits for the author's code; when the session dies or the run is stopped, only a little longer. */
  async #untilOver(what: string, supervisor: SessionSupervisor, code: () => Promise<void>): Promise<void> {
    const death = Promise.withResolvers<never>();
    const { signal } = supervisor;
    const onEnd = () => signal.reason instanceof SessionDeathError && death.reject(signal.reason);
    if (signal.aborted) onEnd();
    signal.addEventListener('abort', onEnd, { once: true });
    const running = code();
    try {
      await raceSignal(Promise.race([running, death.promise]), this.#stop.signal);
    } catch (thrown) {
      if (!(await settlesWithin(running, LEAVE_LIMIT_MS))) {
        this.#plan.log.warn(
          `\`${what}\` did not end when it was told to; it is left behind, and nothing that it still does is kept`,
        );
      }
      throw thrown;
    } finally {
      signal.removeEventListener('abort', onEnd);
      death.promise.catch(() => undefined);
    }
  }

  async #startSession(owner: string): Promise<SessionSupervisor> {
    this.#stop.signal.throwIfAborted();
    const options: SupervisorOptions = {
      ...this.#plan.supervisor,
      ...(this.#plan.baseUrl === undefined ? {} : { baseUrl: this.#plan.baseUrl }),
      owner,
      log: this.#plan.log,
      signal: this.#stop.signal,
    };
    const supervisor = await SessionSupervisor.start(options);
    this.#sessions += 1;
    supervisor.on('session:started', () => (this.#sessions += 1));
    supervisor.on('session:dead', ({ death }) => {
      this.#deaths.push(death);
      this.#ledger.noteDeath(death);
      this.#plan.onDeath?.(death);
    });
    try {
      this.#plan.onSession?.(supervisor);
    } catch (thrown) {
      this.#plan.log.warn('`onSession` failed; nothing else is harmed', { reason: toError(thrown).message });
    }
    return supervisor;
  }

  #contextParts(supervisor: SessionSupervisor): ContextParts {
    const { folder, log } = this.#plan;
    return { runId: this.id, params: this.#params, supervisor, runSignal: this.#stop.signal, folder, log };
  }

  #noteProgress(): void {
    const { stuckAfterMs } = this.#plan;
    clearTimeout(this.#stall);
    if (this.#stop.signal.aborted) return;
    const onStall = () => this.#stop.abort(new RunTimeoutError(stuckAfterMs));
    this.#stall = setTimeout(onStall, Math.min(stuckAfterMs, LONGEST_TIMER_MS));
    // A registry that fails is told by what has to be kept, not by what is only looked at.
    void this.#store.countRecords().then(
      (count) => (this.#records = count),
      () => undefined,
    );
  }

  async #finish(ending: Ending): Promise<RunOutcome> {
    this.#ledger.cancelOpen();
    let error = ending.kind === 'returned' ? undefined : ending.error;
    let outputs: Record<string, string> = {};
    const { folder, format, writesOutput } = this.#plan;
    const records = await this.#store.listRecords();
    if (writesOutput) {
      try {
        outputs = await exportRecords(records, { folder, format });
      } catch (thrown) {
        // What ended the run comes first.
        if (error !== undefined) this.#plan.log.error(toError(thrown).message);
        error ??= toError(thrown);
      }
    }
    const { queued: _queued, running: _running, ...counts } = this.#ledger.counts;
    return {
      runId: this.id,
      action: this.#action.name,
      status: error === undefined ? (counts.failed + counts.cancelled > 0 ? 'partial' : 'completed') : toStatus(error),
      owner: this.owner,
      counts,
      records: records.length,
      sessions: this.#sessions,
      deaths: this.#deaths,
      error: error === undefined ? null : redactReport(error),
      durationMs: Math.round(performance.now() - this.#startedAt),
      outputs,
    };
  }
}

/** Sortable by time, unique enough for one registry: `20261120-181530-4f9a2c`. */
export function makeRunId(): string {
  const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${time}-${randomBytes(3).toString('hex')}`;
}

function toStatus(error: Error): RunStatus {
  if (error instanceof SessionDeathError || error instanceof RestartLimitError) return 'halted';
  if (error instanceof RunTimeoutError) return 'timed_out';
  return error instanceof CancelledError ? 'cancelled' : 'failed';
}

function redactReport(error: Error): { code: string; message: string } {
  const { code, message } = describeError(error);
  return { code, message: redactText(message) };
}

function toCancelled(reason: unknown): Error {
  return reason instanceof SupervisorError ? reason : new CancelledError(undefined, { cause: reason });
}
