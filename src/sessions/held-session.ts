/**
 * One owner's session in this process: the supervisor, and the rows in the registry that its sessions leave, one per epoch. What the
 * supervisor tells is written down in its order, behind its back: a slow registry holds up no death. A death hands the owner on to the
 * next session's row in one transaction, so that nobody comes between, until the session is released.
 */
import { randomUUID } from 'node:crypto';

import { anySignal, raceSignal } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { redactUrl } from '../core/redact.ts';
import { LeaseLostError, type Renewal, type SessionLeases, type StoredSession } from '../registry/registry.ts';
import { SessionSupervisor, type Death, type DeathReport, type SupervisorOptions } from '../supervisor/supervisor.ts';
import type { LeaseHolding, LeaseKeeper } from './lease-keeper.ts';

export interface HeldSessionOptions {
  readonly claimed: StoredSession;
  readonly leases: SessionLeases;
  readonly keeper: LeaseKeeper;
  readonly supervisor: SupervisorOptions;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** It is over without having been released: its lease is lost, or it died while nobody used it. */
  readonly onOver: (held: HeldSession) => void;
}

export class HeldSession implements LeaseHolding {
  readonly owner: string;
  /** Under which everything of this owner is written. */
  readonly token: number;
  readonly #options: HeldSessionOptions;
  /** Aborts, with the reason, when the lease is lost: also a start that is under way. */
  readonly #lost = new AbortController();
  #id: string;
  #supervisor: SessionSupervisor | undefined;
  #writes: Promise<void> = Promise.resolve();
  #writeFailure: Error | undefined;
  #isReleasing = false;
  /** A death that its row does not tell yet. */
  #untold: object | undefined;
  #lastUsedAt = new Date();
  /** Acquisitions that have not been released. */
  users = 0;

  /** Starts the browser of a session that was claimed. When that fails nothing is left: no browser, and no row that holds the owner. */
  static async start(options: HeldSessionOptions): Promise<HeldSession> {
    const held = new HeldSession(options);
    options.keeper.add(held);
    try {
      await held.#start();
      return held;
    } catch (thrown) {
      await held.#giveUp(toError(thrown));
      throw held.lostBy ?? thrown;
    }
  }

  private constructor(options: HeldSessionOptions) {
    const { claimed } = options;
    this.#options = options;
    this.owner = claimed.owner;
    this.token = claimed.token;
    this.#id = claimed.id;
  }

  get supervisor(): SessionSupervisor {
    if (this.#supervisor === undefined) throw new Error('the session is not started');
    return this.#supervisor;
  }

  /** Of the current epoch's row. */
  get id(): string {
    return this.#id;
  }

  /** Set once the lease is lost. */
  get lostBy(): LeaseLostError | undefined {
    return this.#lost.signal.aborted ? (this.#lost.signal.reason as LeaseLostError) : undefined;
  }

  get isUsable(): boolean {
    return this.lostBy === undefined && !this.#isReleasing && this.supervisor.state === 'alive';
  }

  get lastUsedAt(): Date {
    return this.#lastUsedAt;
  }

  touch(): void {
    this.#lastUsedAt = new Date();
  }

  get renewal(): Renewal {
    return {
      id: this.#id,
      lastHeartbeatAt: this.#supervisor?.health.lastHeartbeatAt ?? null,
      lastUsedAt: this.#lastUsedAt.toISOString(),
    };
  }

  lose(now: StoredSession | null): void {
    if (this.lostBy !== undefined || this.#isReleasing) return;
    const report = toReport(now);
    const error = new LeaseLostError(`The session of "${this.owner}" is no longer this process's: ${report.message}.`, {
      data: { owner: this.owner, sessionId: this.#id },
    });
    this.#lost.abort(error);
    this.#options.keeper.remove(this);
    this.#supervisor?.declareDeath(report);
    this.#options.onOver(this);
  }

  /**
   * The next session, under the same lease. Rejects with {@link LeaseLostError} where the owner was lost meanwhile, and with what kept
   * the registry from knowing of the last session's end.
   */
  async restart({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const limit = anySignal(signal, this.#lost.signal);
    await raceSignal(this.#writes, limit);
    this.#throwIfUnwritten();
    limit.throwIfAborted();
    await this.supervisor.restart({ signal: limit });
    await raceSignal(this.#writes, limit);
    this.#throwIfUnwritten();
  }

  /** Ends the browser and gives the owner back. Idempotent. */
  async release(message?: string): Promise<void> {
    if (this.#isReleasing) return this.#writes;
    this.#isReleasing = true;
    await this.#supervisor?.stop();
    await this.#giveBack(message);
  }

  async #giveBack(message?: string): Promise<void> {
    const { leases, keeper, claimed } = this.#options;
    this.#write('its end', () =>
      leases.release(this.#id, claimed.holder, {
        status: this.#untold === undefined ? 'ended' : 'dead',
        ...(this.#untold === undefined ? {} : { death: this.#untold }),
        ...(message === undefined ? {} : { message }),
      }),
    );
    await this.#writes;
    keeper.remove(this);
  }

  async #start(): Promise<void> {
    const { supervisor: options, signal, keeper, log } = this.#options;
    const supervisor = await SessionSupervisor.start({
      ...options,
      owner: this.owner,
      signal: anySignal(signal, options.signal, this.#lost.signal),
      log,
      // Suspended beyond the lease: a browser that is gone may have been ended by whoever took over.
      explainDeath: (report) => (keeper.isLapsed ? this.#explain(report) : undefined),
    });
    this.#supervisor = supervisor;
    supervisor.on('session:started', () => this.#onStarted());
    supervisor.on('session:dead', ({ death }) => this.#handOn('dead', withoutEvidence(death)));
    supervisor.on('session:ended', () => this.#handOn('ended'));
    this.#onStarted();
    await this.#writes;
    this.#throwIfUnwritten();
  }

  async #explain(report: DeathReport): Promise<DeathReport> {
    await this.#options.keeper.renew();
    // Where it is lost that death was declared meanwhile, and this report is its consequence.
    return report;
  }

  #onStarted(): void {
    const { leases, claimed } = this.#options;
    const { sessionId = '', pids, endpointUrl, driverFolder } = this.supervisor;
    this.#write('its start', () =>
      leases.activate(this.#id, claimed.holder, {
        webdriverId: sessionId,
        driverPid: pids.driver,
        browserPid: pids.browser,
        folder: driverFolder,
        endpoint: driverFolder !== undefined || endpointUrl === undefined ? undefined : redactUrl(endpointUrl),
      }),
    );
  }

  /** The owner stays ours: the next session's row stands before anybody can ask for it. */
  #handOn(status: 'dead' | 'ended', death?: object): void {
    this.#untold = death;
    // What ends while it is being released is told by its release.
    if (this.#isReleasing || this.lostBy !== undefined) return;
    if (this.users === 0) {
      this.#isReleasing = true;
      this.#options.onOver(this);
      void this.#giveBack();
      return;
    }
    const { leases, claimed } = this.#options;
    const nextId = randomUUID();
    this.#write('its death', async () => {
      const { id } = await leases.succeed(this.#id, claimed.holder, { status, nextId, ...(death && { death }) });
      this.#id = id;
      this.#untold = undefined;
    });
  }

  /** In order, one after the other. What fails is told where the session goes on or is given back. */
  #write(what: string, write: () => Promise<unknown>): void {
    const { log } = this.#options;
    this.#writes = this.#writes.then(async () => {
      if (this.lostBy !== undefined) return;
      try {
        await write();
      } catch (thrown) {
        const error = toError(thrown);
        if (error instanceof LeaseLostError && !this.#isReleasing) await this.#options.keeper.renew();
        this.#writeFailure ??= error;
        log.warn(`The registry does not know of a session: ${what} could not be written`, { reason: error.message });
      }
    });
  }

  #throwIfUnwritten(): void {
    if (this.lostBy !== undefined) throw this.lostBy;
    if (this.#writeFailure !== undefined) throw this.#writeFailure;
  }

  async #giveUp(error: Error): Promise<void> {
    await this.release(`it could not be started: ${error.message}`);
  }
}

/** Commands and pages stay in the run's outcome; the session's row has what happened. */
function withoutEvidence({ evidence, ...death }: Death): object {
  return { ...death, message: evidence.message };
}

function toReport(now: StoredSession | null): DeathReport {
  if (now?.status === 'timed_out')
    return { cause: 'timed_out', detectedBy: 'registry', message: now.errorMessage ?? 'it made no progress' };
  const why =
    now === null
      ? 'its row is gone from the registry'
      : `it is ${now.status} by now${now.errorMessage === null ? '' : ` (${now.errorMessage})`}`;
  return { cause: 'lease-lost', detectedBy: 'registry', message: why };
}
