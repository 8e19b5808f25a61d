/**
 * One run of an action, over all its sessions. After each death `run` is entered again from the top on a new session, and finished work
 * is not done again, until the action returns or fails, the run is cancelled, or no restart is left.
 */
import type { StoredRun } from '../model/run.ts';
import { anySignal } from '../core/abort.ts';
import { ActionError, CancelledError, ConfigError, InvariantError, toError } from '../core/errors.ts';
import { LeaseLostError, type Registry, type RegistryError, type RunStore } from '../registry/registry.ts';
import { SessionManager, type Acquisition, type ObservedAcquireOptions } from '../sessions/sessions.ts';
import { deathBehind, untilOver, type CommandHook, type SessionSupervisor } from '../supervisor/supervisor.ts';
import { sizeOf } from '../upkeep/upkeep.ts';
import { callBack } from './call-back.ts';
import { CommandGuard } from './replay/command-guard.ts';
import type { Action } from './define-action.ts';
import { claimFolder } from './exports/output-folder.ts';
import { Ledger } from './replay/ledger.ts';
import { makePrepareContext, makeRunEntry, type ContextParts } from './make-context.ts';
import {
  isRunLost,
  isTakenAway,
  RunTimeoutError,
  toCancelled,
  toReport,
  toStatus,
  type RunOutcome,
  type RunProgress,
} from './outcome.ts';
import type { OpenCall } from './steps/open-calls.ts';
import { openStore } from './replay/open-store.ts';
import { ReplayWatch } from './replay/replay-watch.ts';
import { Recordings } from './recordings.ts';
import { reloadStateful } from './reload-action.ts';
import { RunFigures } from './run-figures.ts';
import type { PlannedRun } from './run-options.ts';
import { isToRepeat, repeatCompleted } from './repeat-completed.ts';
import { reportRun } from './reports/reports.ts';
import { Retirement } from './sessions/retirement.ts';
import { SessionPool } from './sessions/session-pool.ts';
import { SessionRenewals, type Ending } from './sessions/session-renewals.ts';
import { openRunState } from './state/open-run-state.ts';
import type { RunState } from './state/run-state.ts';
import { StallWatch } from './stall-watch.ts';
import { writeOutputs } from './write-outputs.ts';

/** The parts of a run that `prepareRun` passes on. */
export interface RunParts {
  readonly plan: PlannedRun;
  readonly registry: Registry;
  /** Closes the registry if it was opened for this run. */
  readonly close: () => Promise<void>;
}

export class Run {
  readonly id: string;
  readonly owner: string;
  #action: Action;
  readonly #params: Record<string, unknown>;
  readonly #plan: PlannedRun;
  readonly #registry: Registry;
  readonly #close: () => Promise<void>;
  readonly #stop = new AbortController();
  readonly #ledger = new Ledger();
  readonly #replay: ReplayWatch;
  readonly #guard: CommandGuard;
  readonly #renewals: SessionRenewals;
  readonly #browserState: RunState;
  /** Called when the page of a session submits a form by POST. */
  #onPagePost: (session: AbortSignal) => void = () => undefined;
  readonly #stallWatch: StallWatch;
  readonly #figures = new RunFigures();
  readonly #recordings: Recordings;
  #claimed: Disposable | undefined;
  #store: RunStore | undefined;
  #state: RunProgress['state'] = 'starting';
  #openCalls: () => readonly OpenCall[] = () => [];

  constructor(action: Action, params: Record<string, unknown>, { plan, registry, close }: RunParts) {
    this.#action = action;
    this.#params = params;
    this.#plan = plan;
    this.#registry = registry;
    this.#close = close;
    this.id = plan.runId;
    this.owner = plan.owner;
    this.#replay = new ReplayWatch({ ledger: this.#ledger, sourceWarnings: plan.sourceWarnings, log: plan.log });
    this.#recordings = new Recordings(plan);
    this.#guard = new CommandGuard(this.#ledger, this.#replay.divergence);
    this.#renewals = new SessionRenewals(new Retirement(plan.retirement, plan.log));
    this.#browserState = openRunState(action, { plan, registry, gate: this.#guard.gate });
    this.#stallWatch = new StallWatch({
      warnAfterMs: plan.warnAfterMs,
      stuckAfterMs: plan.stuckAfterMs,
      size: () => sizeOf({ counts: this.#ledger.counts, display: this.#figures.display }),
      log: plan.log,
      onStall: (limitMs) => this.#stop.abort(new RunTimeoutError(limitMs)),
    });
  }

  get progress(): RunProgress {
    return {
      counts: this.#ledger.counts,
      units: this.#ledger.units,
      ...this.#figures.shown,
      records: this.#store?.recordCount ?? this.#plan.resumed?.records ?? 0,
      state: this.#state,
    };
  }

  /** The steps, batches and saves that have not ended. After the end of the run: those that had not ended when it was stopped. */
  get openCalls(): readonly OpenCall[] {
    return this.#openCalls();
  }

  /** Runs to the end. Resolves with the outcome, even if the action fails. No code of the run is still running then. */
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
      this.#claimed?.[Symbol.dispose]();
      signal?.removeEventListener('abort', onCancel);
      await this.#close();
    }
  }

  /** Holds the owner until the outcome is stored, so that the next process that gets the owner finds the ended run. */
  async #executeUnderLease(): Promise<RunOutcome> {
    const { config, supervisor, log, resumed } = this.#plan;
    if (isToRepeat(resumed, this.#plan)) return repeatCompleted(resumed, this.#registry, this.#plan);
    const manager = await SessionManager.open({ registry: this.#registry, config, supervisor, log });
    try {
      const ending = await this.#work(manager);
      this.#state = 'finishing';
      if (ending.kind === 'completed') return await repeatCompleted(ending.run, this.#registry, this.#plan);
      return await this.#finish(ending);
    } finally {
      await this.#store?.close();
      await manager.shutdown();
      await this.#plan.standby?.stop();
    }
  }

  async #work(manager: SessionManager): Promise<Ending | { readonly kind: 'completed'; readonly run: StoredRun }> {
    const { beforeCommand } = this.#plan.supervisor;
    let session: Acquisition;
    try {
      this.#claimed = claimFolder(this.#plan.claim, this.id);
      session = await this.#acquire(manager, this.owner, this.#guard.before(beforeCommand));
      const now = this.#plan.resumed && (await this.#registry.runs.get(this.id));
      // Another process may have completed the run while this one waited for the owner.
      if (isToRepeat(now, this.#plan)) return { kind: 'completed', run: now };
      await this.#begin(session);
    } catch (thrown) {
      return { kind: 'failed', error: this.#stop.signal.aborted ? toError(this.#stop.signal.reason) : toError(thrown) };
    }
    const pool = new SessionPool({
      main: session.supervisor,
      tidier: this.#guard.tidier,
      start: (number, tidier) =>
        this.#acquire(manager, `${this.owner}#${number}`, this.#guard.beforeOnSlot(tidier, beforeCommand)),
      prepare: (slot, signal) => this.#browserState.open(slot).then(() => this.#prepare(slot, signal)),
      limit: this.#plan.sessionLimit,
      idleMs: this.#plan.config.idleSessionMs,
      retirement: this.#renewals.retirement,
      join: (slot) => this.#browserState.mergeInto(slot),
      onDeath: (death) => {
        if (!this.#plan.recover) this.#stop.abort(death);
      },
      // Ends the run even if the action catches the error of its batch, because the requested work needs these sessions.
      onFailure: (failure) => this.#stop.abort(failure),
      onUnusable: () => this.#renewals.ask('stuck'),
    });
    try {
      return await this.#enterUntilDone(session, pool);
    } finally {
      // Ends code that did not stop, and sessions that are still starting.
      this.#stop.abort(new CancelledError('The run is over.'));
      await Promise.all([session.supervisor.stop(), pool.stop()]);
    }
  }

  /** Begins the run in the registry. From here on finished work is stored, under the lease of `session` and no older one. */
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
    const run = await runs.begin(this.id, { ...session.lease, claim: this.#plan.claim });
    this.#figures.begin(run);
    const open = (row: StoredRun) =>
      runs.openStore(row, {
        token: session.lease.token,
        snapshot: (ending) => this.#figures.snapshot(this.#ledger.countsAfter(ending)),
        onFailure: (error) => this.#onStoreFailure(error, session),
        onCancel: () => this.#stop.abort(new CancelledError('The run was cancelled from outside.')),
      });
    this.#store = await openStore({
      ...this.#plan,
      registry: this.#registry,
      run,
      open,
      token: session.lease.token,
      ledger: this.#ledger,
      isResumed: this.#plan.resumed !== undefined,
    });
    if (this.#plan.resumed) await this.#browserState.load((name) => this.#ledger.get(name)?.end !== undefined);
  }

  /** Stops the run because nothing more can be stored: another process has the run, or the registry does not answer. */
  #onStoreFailure(error: RegistryError | LeaseLostError, { supervisor }: Acquisition): void {
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
      if (!this.#plan.recover || this.#stop.signal.aborted) return ending;
      if (!this.#renewals.isNewEntryDue(ending, this.#ledger.counts)) return ending;
      this.#state = 'recovering';
      try {
        await session.restart({ signal: this.#stop.signal, reason: this.#renewals.reason });
        this.#action = await reloadStateful(this.#action, this.#plan);
      } catch (thrown) {
        return { kind: 'failed', error: toError(thrown) };
      }
    }
  }

  /** Does one entry: `prepare`, then `run`, on the supervisor's current session. Never rejects. */
  async #enter(supervisor: SessionSupervisor, pool: SessionPool): Promise<Ending> {
    const { signal: sessionSignal } = supervisor;
    const store = this.#store;
    if (store === undefined) throw new InvariantError('a run was entered before it was begun');
    const unusable = this.#renewals.enter();
    let failure: Error | undefined;
    try {
      await this.#browserState.open(supervisor);
      await this.#prepare(supervisor, this.#stop.signal);
      await this.#browserState.merge(supervisor);
      this.#renewals.retirement.begin(supervisor);
      await using entry = makeRunEntry({
        ...this.#contextParts(supervisor),
        runSignal: anySignal(this.#stop.signal, unusable),
        renewals: this.#renewals,
        store,
        ledger: this.#ledger,
        state: this.#browserState,
        replay: this.#replay,
        guard: this.#guard,
        pool,
        sessions: this.#plan.sessions,
        stuckAfterMs: this.#plan.stuckAfterMs,
        downloadDir: this.#plan.supervisor.downloadDir,
        givesUpSteps: this.#plan.givesUpSteps,
        maxRecordBytes: this.#plan.config.maxRecordBytes,
        onProgress: () => this.#onProgress(),
        onFailure: this.#recordings.onFailure,
        onBegin: () => (this.#figures.reused += 1),
        onContextLoss: () => (this.#figures.contextLosses += 1),
        onDisplay: (display) => {
          this.#figures.display = display;
          store.noteProgress();
        },
      });
      this.#onPagePost = entry.onPagePost;
      this.#openCalls = entry.openCalls;
      const until = { session: sessionSignal, run: anySignal(this.#stop.signal, unusable), log: this.#plan.log };
      await untilOver('run', async () => entry.enter(() => this.#action.run(entry.context)), until);
      const [forgotten] = entry.openCalls();
      if (forgotten !== undefined) {
        throw new ActionError(`\`run\` returned while ${forgotten.name} was not finished. Put \`await\` before it.`);
      }
      failure = entry.unseenFailure();
      this.#replay.check();
    } catch (thrown) {
      failure = toError(thrown);
    }
    if (this.#stop.signal.aborted) return { kind: 'failed', error: toError(this.#stop.signal.reason) };
    // The result of `run` on a dead session does not count.
    const death = await deathBehind(failure, sessionSignal);
    if (death !== undefined) return { kind: 'died', error: death };
    const { error: divergence } = this.#replay.divergence;
    const error = divergence ?? supervisor.criticalFailure ?? pool.criticalFailure;
    if (error !== undefined) return { kind: 'failed', error };
    if (unusable.aborted) return { kind: 'unusable', error: toError(unusable.reason) };
    return failure === undefined ? { kind: 'returned' } : { kind: 'failed', error: failure };
  }

  async #prepare(supervisor: SessionSupervisor, signal: AbortSignal): Promise<void> {
    const context = makePrepareContext({ ...this.#contextParts(supervisor), runSignal: signal });
    const until = { session: supervisor.signal, run: this.#stop.signal, log: this.#plan.log };
    await untilOver('prepare', async () => this.#action.prepare?.(context), until);
  }

  async #acquire(manager: SessionManager, owner: string, before: CommandHook): Promise<Acquisition> {
    this.#stop.signal.throwIfAborted();
    const { baseUrl, waitMs, log } = this.#plan;
    const base = baseUrl === undefined ? {} : { baseUrl };
    const recorder = this.#recordings.makeRecorder();
    const { beforeCommand, follow } = this.#renewals.retirement.track(before);
    const options: ObservedAcquireOptions = {
      waitMs,
      signal: this.#stop.signal,
      runId: this.id,
      // The run itself restores its state in the next session.
      supervisor: { ...base, beforeCommand, recorder, onQueued: this.#figures.noteQueue, restore: false },
      observer: {
        onStarted: () => void (this.#figures.sessions += 1),
        onPagePost: (on) => this.#onPagePost(on),
        onDead: (death) => {
          this.#figures.deaths.push(death);
          this.#ledger.noteDeath(death);
          this.#recordings.onDead(death, recorder);
        },
      },
    };
    const session = await manager.acquire(owner, options);
    const { supervisor } = session;
    follow(supervisor);
    this.#figures.sessions += 1;
    supervisor.on('session:dead', ({ death }) => this.#plan.onDeath?.(death));
    callBack('onSession', log, () => this.#plan.onSession?.(supervisor));
    return session;
  }

  #contextParts(supervisor: SessionSupervisor): ContextParts {
    const { folder, log } = this.#plan;
    return { runId: this.id, params: this.#params, supervisor, runSignal: this.#stop.signal, folder, log };
  }

  #onProgress(): void {
    this.#stallWatch.note();
    this.#ledger.timings.noteRecords((this.#store?.recordCount ?? 0) - (this.#plan.resumed?.records ?? 0));
    callBack('onProgress', this.#plan.log, () => this.#plan.onProgress?.(this.progress));
  }

  async #finish(ending: Ending): Promise<RunOutcome> {
    this.#ledger.cancelOpen();
    let error = ending.kind === 'returned' ? undefined : ending.error;
    // Another process may write the files of a run that it has taken over, and no file may lack data that the registry has lost.
    let isTaken = isRunLost(this.#stop.signal.reason) || this.#figures.ownDeaths.some(isTakenAway);
    const { outputs, samples, warnings, failure } = await writeOutputs(isTaken ? undefined : this.#store, this.#plan);
    // The outcome has the error that ended the run.
    if (error !== undefined && failure !== undefined) this.#plan.log.error(failure.message);
    error ??= failure;
    isTaken ||= isRunLost(failure);
    const { queued: _queued, running: _running, ...counts } = this.#ledger.counts;
    const isRepeated = this.#action.effects === 'writes' && this.#replay.repeatedEffects.length > 0;
    const isPartial = counts.failed + counts.cancelled > 0 || isRepeated;
    const status = () => (error === undefined ? (isPartial ? 'partial' : 'completed') : toStatus(error));
    try {
      await this.#store?.finish({ status: status(), error: toReport(error), outputs });
    } catch (thrown) {
      // A run whose end is not stored has not succeeded.
      error ??= toError(thrown);
      isTaken ||= isRunLost(thrown);
    }
    await this.#browserState.close({ isCompleted: status() === 'completed' });
    await this.#recordings.close();
    const outcome: RunOutcome = {
      runId: this.id,
      action: this.#action.name,
      status: status(),
      owner: this.owner,
      counts,
      records: this.progress.records,
      sessions: this.#figures.sessions,
      deaths: this.#figures.deaths,
      error: toReport(error),
      warnings: [...this.#replay.warnings, ...warnings],
      repeatedEffects: this.#replay.repeatedEffects,
      durationMs: this.#figures.durationMs,
      outputs,
      report: null,
    };
    // A folder of another run, or of another process, gets no report. A resumed run that did not begin here may be at work elsewhere.
    const isElsewhere = this.#plan.resumed !== undefined && this.#store === undefined;
    if (isTaken || isElsewhere || failure instanceof ConfigError || this.#claimed === undefined) return outcome;
    return reportRun(outcome, { plan: this.#plan, registry: this.#registry, ledger: this.#ledger, samples });
  }
}
