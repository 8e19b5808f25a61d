/**
 * The rows in the registry that one owner's sessions leave, one per epoch. They are written in order and behind the supervisor's back: a
 * slow registry holds up no death. A death hands the owner on to the next session's row in one transaction, so that nobody comes between.
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
  /** The reason why nothing is written any more. */
  readonly lostBy: () => LeaseLostError | undefined;
  /** The registry says that the lease is lost; finds out, and declares it. */
  readonly onRefused: () => Promise<void>;
  readonly log: Log;
}

export class SessionRows {
  readonly #options: SessionRowsOptions;
  #current: StoredSession;
  /** The last row whose session has lived. */
  #livedId: string | undefined;
  /** A death that its row does not tell yet. */
  #untold: object | undefined;
  /** Rows that become history and get a successor. */
  #handingOn = 0;
  #writes: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  constructor(options: SessionRowsOptions) {
    this.#options = options;
    this.#current = options.claimed;
  }

  /** The current epoch's row, as it was written last. */
  get current(): StoredSession {
    return this.#current;
  }

  /** The id of the last session that lived. A row that waits for the next session does not count. */
  get livedId(): string {
    return this.#livedId ?? this.#current.id;
  }

  /** Whether a row is being replaced by the next: what a renewal finds of it meanwhile says nothing. */
  get isHandingOn(): boolean {
    return this.#handingOn > 0;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** A session is about to be started in this folder: it is on record before anything of it is there. */
  async prepare(folder: string): Promise<void> {
    const { leases, claimed } = this.#options;
    await this.#writes;
    await leases.prepare(this.#current.id, claimed.holder, folder);
  }

  /** A session lives. */
  begin(facts: SessionFacts): void {
    const { leases, claimed } = this.#options;
    this.#write('its start', async () => {
      this.#current = await leases.activate(this.#current.id, claimed.holder, facts);
      this.#livedId = this.#current.id;
    });
  }

  /** The session has ended, with `death` if nobody asked for it. Its row tells so when the owner is handed on or given back. */
  end(death?: object): void {
    this.#untold = death;
  }

  /** The owner stays ours: the next session's row stands before anybody can ask for it. */
  handOn(status: 'dead' | 'ended'): void {
    const { leases, claimed } = this.#options;
    const nextId = randomUUID();
    const death = this.#untold;
    this.#handingOn += 1;
    this.#write('its death', async () => {
      try {
        this.#current = await leases.succeed(this.#current.id, claimed.holder, {
          status,
          nextId,
          ...(death && { death }),
        });
        this.#untold = undefined;
      } finally {
        this.#handingOn -= 1;
      }
    });
  }

  /** Gives the owner back. Resolves when everything is written, or has failed. */
  async giveBack(message: string | undefined): Promise<void> {
    const { leases, claimed } = this.#options;
    this.#write('its end', () =>
      leases.release(this.#current.id, claimed.holder, {
        status: this.#untold === undefined ? 'ended' : 'dead',
        ...(this.#untold === undefined ? {} : { death: this.#untold }),
        ...(message === undefined ? {} : { message }),
      }),
    );
    await this.#writes;
  }

  /** Resolves when everything is written so far. Rejects with what kept it from being so, or with the signal's reason. */
  async written(signal?: AbortSignal): Promise<void> {
    await (signal === undefined ? this.#writes : raceSignal(this.#writes, signal));
    const failure = this.#options.lostBy() ?? this.#failure;
    if (failure !== undefined) throw failure;
  }

  /** In order, one after the other. What fails is told where the session goes on or is given back. */
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
        log[level](`The registry does not know of a session: ${what} could not be written`, { reason: error.message });
      }
    });
  }
}
