/**
 * One run of an action: sessions come and go, the run stays. After each death `run` is entered again from the top on a new session, and
 * what was finished is not done again, until the action returns, fails, is cancelled, or no recovery is left.
 */
import { raceSignal, settlesWithin } from '../core/abort.ts';
import { ActionError, CancelledError, InvariantError, SupervisorError, toError } from '../core/errors.ts';
import { describeSpan } from '../core/time-words.ts';
import {
  LeaseLostError,
  type Registry,
  type RegistryError,
  type RunSnapshot,
  type RunStore,
} from '../registry/registry.ts';
import { SessionManager, type Acquisition } from '../sessions/sessions.ts';
import { SessionDeathError, type Death, type SessionSupervisor } from '../supervisor/supervisor.ts';
import { sizeOf } from '../upkeep/upkeep.ts';
import type { Action } from './define-action.ts';
import { exportRecords } from './export.ts';
import { Ledger } from './ledger.ts';
import { deathOf } from './death-signal.ts';
import { makePrepareContext, makeRunEntry, type ContextParts } from './make-context.ts';
import { isTakenAway, RunTimeoutError, toReport, toStatus, type RunOutcome, type RunProgress } from './outcome.ts';
import type { PlannedRun } from './run-options.ts';
import { repeatCompleted } from './resume.ts';
import { SessionPool } from './session-pool.ts';
import { StallWatch } from './stall-watch.ts';

/** Code of an action that goes on after its session's death, or after a cancel, is waited for so long, then left behind. */
const LEAVE_LIMIT_MS = 5_000;

type Ending =
  | { readonly kind: 'returned' }
  | { readonly kind: 'died'; readonly error: SessionDeathError }
  | { readonly kind: 'failed'; readonly error: Error };

/** What a run is given by whoever prepared it. */
export interface RunParts {
  readonly plan: PlannedRun;
  readonly registry: Registry;
  /** Ends the registry, where it was opened for this run. */
  readonly close: () => Promise<void>;
}

export class Run {
  readonly id: string;
  readonly owner: string;
  readonly #action: Action;
  readonly #params: Record<string, unknown>;
  readonly #plan: PlannedRun;
  readonly #registry: Registry;
  readonly #close: () => Promise<void>;
  readonly #stop = new AbortController();
  readonly #ledger = new Ledger();
  readonly #stallWatch: StallWatch;
  readonly #deaths: Death[];
  readonly #startedAt = performance.now();
  #store: RunStore | undefined;
  #sessions: number;
  #reused = 0;
  #contextLosses = 0;
  #state: RunProgress['state'] = 'starting';
  #display: RunProgress['display'];

  constructor(action: Action, params: Record<string, unknown>, { plan, registry, close }: RunParts) {
    const { resumed } = plan;
    this.#action = action;
    this.#params = params;
    this.#plan = plan;
    this.#registry = registry;
    this.#close = close;
    this.id = plan.runId;
    this.owner = plan.owner;
    this.#deaths = [...((resumed?.deaths ?? []) as unknown as Death[])];
    this.#sessions = resumed?.sessions ?? 0;
    this.#display = resumed?.display ?? null;
    this.#stallWatch = new StallWatch({
      warnAfterMs: plan.warnAfterMs,
      stuckAfterMs: plan.stuckAfterMs,
      size: () => sizeOf({ counts: this.#ledger.counts, display: this.#display ?? null }),
      onWarning: (afterMs, limitMs) =>
        plan.log.warn(
          `No progress for ${describeSpan(afterMs)}; after ${describeSpan(limitMs)} the run is ended as timed out. What is finished is kept, and --resume goes on`,
        ),
      onStall: (limitMs) => this.#stop.abort(new RunTimeoutError(limitMs)),
    });
  }

  get progress(): RunProgress {
    return {
      counts: this.#ledger.counts,
      display: this.#display,
      records: this.#store?.recordCount ?? this.#plan.resumed?.records ?? 0,
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
    this.#stallWatch.note();
    try {
      return await this.#executeUnderLease();
    } finally {
      this.#stallWatch.stop();
      signal?.removeEventListener('abort', onCancel);
      await this.#close();
    }
  }

  /** The owner is kept until the last word is written: whoever gets it next finds the run as it ended. */
  async #executeUnderLease(): Promise<RunOutcome> {
    const { config, supervisor, log, resumed } = this.#plan;
    if (resumed?.status === 'completed') return repeatCompleted(resumed, this.#registry, this.#plan);
    const manager = await SessionManager.open({ registry: this.#registry, config, supervisor, log });
    try {
      const ending = await this.#work(manager);
      this.#state = 'finishing';
      return await this.#finish(ending);
    } finally {
      await this.#store?.close();
      await manager.shutdown();
    }
  }

  async #work(manager: SessionManager): Promise<Ending> {
    let session: Acquisition;
    try {
      session = await this.#acquire(manager, this.owner);
      await this.#begin(session);
    } catch (thrown) {
      return { kind: 'failed', error: this.#stop.signal.aborted ? toError(this.#stop.signal.reason) : toError(thrown) };
    }
    const pool = new SessionPool({
      main: session.supervisor,
      start: (number) => this.#acquire(manager, `${this.owner}#${number}`),
      prepare: (slot, signal) => this.#prepare(slot, signal),
      onDeath: (death) => {
        if (!this.#plan.recover) this.#stop.abort(death);
      },
      // Also where the action catches what its batch then throws: without its sessions the run is not what was asked for.
      onFailure: (failure) => this.#stop.abort(failure),
    });
    try {
      return await this.#enterUntilDone(session, pool);
    } finally {
      // Code that is left behind, and sessions that are still being started, end here.
      this.#stop.abort(new CancelledError('The run is over.'));
      await Promise.all([session.supervisor.stop(), pool.stop()]);
    }
  }

  /** From here on what is finished is kept, under the lease of `session` and of no older one. */
  async #begin(session: Acquisition): Promise<void> {
    const { runs } = this.#registry;
    const { params, options } = this.#plan.asked;
    if (this.#plan.resumed === undefined) {
      await runs.create({
        id: this.id,
        action: this.#action.name,
        params: params.values,
        owner: this.owner,
        options: { ...options, hidden: params.hidden },
      });
    }
    const run = await runs.begin(this.id, session.lease);
    this.#reused = run.reused;
    this.#contextLosses = run.contextLosses;
    const store = runs.openStore(run, {
      token: session.lease.token,
      snapshot: () => this.#snapshot,
      onFailure: (error) => this.#onUnkept(error, session),
      onCancel: () => this.#stop.abort(new CancelledError('The run was cancelled from outside.')),
    });
    this.#store = store;
    if (this.#plan.resumed !== undefined) this.#ledger.load(await store.loadSteps(), await store.loadSaves());
  }

  get #snapshot(): RunSnapshot {
    return {
      counts: this.#ledger.counts,
      display: this.#display,
      sessions: this.#sessions,
      reused: this.#reused,
      contextLosses: this.#contextLosses,
      deaths: this.#deaths,
      durationMs: this.#durationMs,
    };
  }

  /** Without those of the processes before. */
  get #ownDeaths(): readonly Death[] {
    return this.#deaths.slice(this.#plan.resumed?.deaths.length ?? 0);
  }

  get #durationMs(): number {
    return (this.#plan.resumed?.durationMs ?? 0) + Math.round(performance.now() - this.#startedAt);
  }

  /** Nothing more can be kept: the run belongs to somebody else, or its memory is out of reach. Going on would be for nothing. */
  #onUnkept(error: RegistryError | LeaseLostError, { supervisor }: Acquisition): void {
    if (error instanceof LeaseLostError) {
      const cause = error.data['status'] === 'timed_out' ? 'timed_out' : 'lease-lost';
      supervisor.declareDeath({ cause, detectedBy: 'registry', message: error.message });
    }
    this.#stop.abort(error);
  }

  async #enterUntilDone(session: Acquisition, pool: SessionPool): Promise<Ending> {
    for (;;) {
      this.#state = 'running';
      const ending = await this.#enter(session.supervisor, pool);
      if (ending.kind !== 'died' || !this.#plan.recover || this.#stop.signal.aborted) return ending;
      if (isTakenAway(ending.error.death)) return ending;
      this.#state = 'recovering';
      try {
        await session.restart({ signal: this.#stop.signal });
      } catch (thrown) {
        return { kind: 'failed', error: toError(thrown) };
      }
    }
  }

  /** One entry: `prepare`, then `run`, on the supervisor's current session. Never rejects. */
  async #enter(supervisor: SessionSupervisor, pool: SessionPool): Promise<Ending> {
    const { signal: sessionSignal } = supervisor;
    const store = this.#store;
    if (store === undefined) throw new InvariantError('a run was entered before it was begun');
    let failure: Error | undefined;
    try {
      await this.#prepare(supervisor, this.#stop.signal);
      await using entry = makeRunEntry({
        ...this.#contextParts(supervisor),
        store,
        ledger: this.#ledger,
        pool,
        sessions: this.#plan.sessions,
        onProgress: () => this.#onProgress(),
        onBegin: () => (this.#reused += 1),
        onContextLoss: () => (this.#contextLosses += 1),
        onDisplay: (display) => {
          this.#display = display;
          store.noteProgress();
        },
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

  async #acquire(manager: SessionManager, owner: string): Promise<Acquisition> {
    this.#stop.signal.throwIfAborted();
    const { baseUrl, waitMs } = this.#plan;
    const session = await manager.acquire(owner, {
      waitMs,
      signal: this.#stop.signal,
      runId: this.id,
      supervisor: baseUrl === undefined ? {} : { baseUrl },
    });
    const { supervisor } = session;
    this.#sessions += 1;
    supervisor.on('session:started', () => (this.#sessions += 1));
    supervisor.on('session:dead', ({ death }) => {
      this.#deaths.push(death);
      this.#ledger.noteDeath(death);
      this.#plan.onDeath?.(death);
    });
    this.#callBack('onSession', () => this.#plan.onSession?.(supervisor));
    return session;
  }

  #contextParts(supervisor: SessionSupervisor): ContextParts {
    const { folder, log } = this.#plan;
    return { runId: this.id, params: this.#params, supervisor, runSignal: this.#stop.signal, folder, log };
  }

  #onProgress(): void {
    this.#stallWatch.note();
    this.#callBack('onProgress', () => this.#plan.onProgress?.(this.progress));
  }

  /** What the caller does about an event is no part of the run. */
  #callBack(name: string, call: () => void): void {
    try {
      call();
    } catch (thrown) {
      this.#plan.log.warn(`\`${name}\` failed; nothing else is harmed`, { reason: toError(thrown).message });
    }
  }

  async #finish(ending: Ending): Promise<RunOutcome> {
    this.#ledger.cancelOpen();
    let error = ending.kind === 'returned' ? undefined : ending.error;
    const outputs = await this.#export((thrown) => {
      // What ended the run comes first.
      if (error !== undefined) this.#plan.log.error(thrown.message);
      error ??= thrown;
    });
    const { queued: _queued, running: _running, ...counts } = this.#ledger.counts;
    const status = () =>
      error === undefined ? (counts.failed + counts.cancelled > 0 ? 'partial' : 'completed') : toStatus(error);
    try {
      await this.#store?.finish({ status: status(), error: toReport(error), outputs });
    } catch (thrown) {
      // With its last word unwritten a run has not succeeded.
      error ??= toError(thrown);
    }
    return {
      runId: this.id,
      action: this.#action.name,
      status: status(),
      owner: this.owner,
      counts,
      records: this.progress.records,
      sessions: this.#sessions,
      deaths: this.#deaths,
      error: toReport(error),
      warnings: [],
      repeatedEffects: [],
      durationMs: this.#durationMs,
      outputs,
    };
  }

  /** The files of whoever has the run now are not ours to write. */
  async #export(onFailure: (error: Error) => void): Promise<Record<string, string>> {
    const { folder, format, writesOutput } = this.#plan;
    const isTaken = this.#stop.signal.reason instanceof LeaseLostError || this.#ownDeaths.some(isTakenAway);
    if (this.#store === undefined || !writesOutput || isTaken) return {};
    try {
      return await exportRecords(await Array.fromAsync(this.#store.listRecords()), { folder, format });
    } catch (thrown) {
      onFailure(toError(thrown));
      return {};
    }
  }
}

function toCancelled(reason: unknown): Error {
  return reason instanceof SupervisorError ? reason : new CancelledError(undefined, { cause: reason });
}
