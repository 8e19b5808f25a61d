/**
 * Writes the registry's rows of one owner's sessions, one row per epoch. The rows are written in order, and the supervisor does not wait
 * for them: a slow registry delays no death. After a death, the owner passes to the next session's row in one transaction, so that no other
 * process can take it in between.
 */
import { randomUUID } from 'node:crypto';

import type { StoredSession } from '../model/session.ts';
import { raceSignal } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { LeaseLostError, type SessionFacts, type SessionLeases } from '../registry/registry.ts';

export interface SessionRowsOptions {
  readonly claimed: StoredSession;
  readonly leases: SessionLeases;
  /** Returns the error after which nothing more is written; undefined while the lease is held. */
  readonly lostBy: () => LeaseLostError | undefined;
  /** Called when the registry reports a lost lease. Verifies and declares the loss. */
  readonly onRefused: () => Promise<void>;
  readonly log: Log;
}

export class SessionRows {
  readonly #options: SessionRowsOptions;
  #current: StoredSession;
  /** The id of the last row whose session was alive. */
  #livedId: string | undefined;
  /** A death that is not in its row yet. */
  #unwrittenDeath: object | undefined;
  /** Why the session is being ended on purpose. */
  endReason: string | undefined;
  /** The number of rows that are being replaced by a successor. */
  #handingOn = 0;
  #writes: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  constructor(options: SessionRowsOptions) {
    this.#options = options;
    this.#current = options.claimed;
  }

  /** The current epoch's row as it was last written. */
  get current(): StoredSession {
    return this.#current;
  }

  /** The id of the last session that was alive. A row that waits for the next session does not count. */
  get livedId(): string {
    return this.#livedId ?? this.#current.id;
  }

  /** True while a row is being replaced by the next one. The result of a renewal has no meaning during that time. */
  get isHandingOn(): boolean {
    return this.#handingOn > 0;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Stores the folder in which a session is about to be started, before the folder is created. */
  async prepare(folder: string): Promise<void> {
    const { leases, claimed } = this.#options;
    await this.#writes;
    await leases.prepare(this.#current.id, claimed.holder, folder);
  }

  /** Stores that a session is alive. */
  begin(facts: SessionFacts): void {
    const { leases, claimed } = this.#options;
    this.#write('its start', async () => {
      this.#current = await leases.activate(this.#current.id, claimed.holder, facts);
      this.#livedId = this.#current.id;
    });
  }

  /**
   * Records the end of the session, with `death` if it did not end on purpose. Its row gets it when the owner passes to the next session or
   * is released.
   */
  end(death?: object): void {
    this.#unwrittenDeath = death;
  }

  /** Passes the owner to the next session, whose row exists before another process can claim the owner. */
  handOn(status: 'dead' | 'ended'): void {
    const { leases, claimed } = this.#options;
    const nextId = randomUUID();
    const death = this.#unwrittenDeath;
    const message = status === 'ended' ? this.endReason : undefined;
    this.#handingOn += 1;
    this.#write('its death', async () => {
      try {
        this.#current = await leases.succeed(this.#current.id, claimed.holder, {
          status,
          nextId,
          ...(death && { death }),
          ...(message !== undefined && { message }),
        });
        this.#unwrittenDeath = undefined;
      } finally {
        this.#handingOn -= 1;
      }
    });
  }

  /** Stores that the endpoint of a session no longer has it. */
  released(webdriverId: string): void {
    this.#write('its end at the endpoint', () => this.#options.leases.markReleased(webdriverId));
  }

  /** Releases the owner. Resolves when everything is written, or has failed. */
  async giveBack(message: string | undefined): Promise<void> {
    const { leases, claimed } = this.#options;
    this.#write('its end', () =>
      leases.release(this.#current.id, claimed.holder, {
        status: this.#unwrittenDeath === undefined ? 'ended' : 'dead',
        ...(this.#unwrittenDeath === undefined ? {} : { death: this.#unwrittenDeath }),
        ...(message === undefined ? {} : { message }),
      }),
    );
    await this.#writes;
  }

  /** Resolves when everything so far is written. Rejects with the error that prevented it, or with the signal's reason. */
  async written(signal?: AbortSignal): Promise<void> {
    await (signal === undefined ? this.#writes : raceSignal(this.#writes, signal));
    const failure = this.#options.lostBy() ?? this.#failure;
    if (failure !== undefined) throw failure;
  }

  /** Writes in order, one write after the other. A failure is reported when the session restarts or is released. */
  #write(what: string, write: () => Promise<unknown>): void {
    const { lostBy, onRefused, log } = this.#options;
    this.#writes = this.#writes.then(async () => {
      if (lostBy() !== undefined) return;
      try {
        await write();
      } catch (thrown) {
        const error = toError(thrown);
        if (error instanceof LeaseLostError) await onRefused();
        this.#failure ??= error;
        const level = lostBy() === undefined ? 'warn' : 'debug';
        log[level](`The row of a session is out of date: ${what} could not be stored`, { reason: error.message });
      }
    });
  }
}
