/**
 * Decides when an attempt may begin. p-queue enforces the concurrency and the rate. The batch passes to it only the items that can begin
 * next, because a promise for each of 100 000 items would block the program. The rate has its own queue, because a retry keeps its slot but
 * needs another permit.
 */
import PQueue from 'p-queue';

import type { Disposer } from '../../core/events.ts';
import { DEFAULT_CONCURRENCY, type BatchOptions } from './options.ts';

export class Admission {
  readonly #options: BatchOptions<never>;
  readonly #maxConcurrency: number;
  readonly #slots: PQueue;
  readonly #permits: PQueue | undefined;
  readonly #detach: Disposer | undefined;
  #paused: PromiseWithResolvers<void> | undefined;

  constructor(options: BatchOptions<never>, maxConcurrency: number) {
    const { rateLimit, control } = options;
    this.#options = options;
    this.#maxConcurrency = maxConcurrency;
    this.#slots = new PQueue({ concurrency: this.concurrency });
    if (rateLimit !== undefined)
      this.#permits = new PQueue({ intervalCap: rateLimit.count, interval: rateLimit.perMs, strict: true });
    this.#detach = control?.attach(() => this.#followControl());
    this.#followControl();
  }

  /** The current maximum number of simultaneous workers. */
  get concurrency(): number {
    const { concurrency, control } = this.#options;
    return Math.min(control?.concurrency ?? concurrency ?? DEFAULT_CONCURRENCY, this.#maxConcurrency);
  }

  /** True if a task waits for a slot. */
  get isFull(): boolean {
    return this.#slots.size > 0;
  }

  /** True if an attempt has to wait for a permit or for the end of a pause. */
  get isGated(): boolean {
    return this.#paused !== undefined || this.#permits !== undefined;
  }

  /** Runs `task`, which never rejects, when a slot is free. */
  run(task: () => Promise<void>): void {
    // It rejects only if `close` is called while the task waits; p-queue handles that rejection.
    void this.#slots.add(task);
  }

  /** Returns undefined if an attempt may begin at once, otherwise a promise that resolves when it may begin or when the batch is closed. */
  admit(): Promise<void> | undefined {
    return this.isGated ? this.#wait() : undefined;
  }

  /** Lets no further attempt begin, and releases everything that waits. */
  close(): void {
    this.#detach?.();
    this.#slots.clear();
    this.#permits?.clear();
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  async #wait(): Promise<void> {
    // If a pause begins after the permit was given, the permit expires.
    do {
      await this.#paused?.promise;
      await this.#permits?.add(() => undefined).catch(() => undefined);
    } while (this.#paused !== undefined);
  }

  #followControl(): void {
    const { control } = this.#options;
    if (control === undefined) return;
    if (control.isPaused) {
      this.#paused ??= Promise.withResolvers();
      this.#slots.pause();
      this.#permits?.pause();
    } else {
      this.#paused?.resolve();
      this.#paused = undefined;
      this.#permits?.start();
      this.#slots.start();
    }
    this.#slots.concurrency = this.concurrency;
  }
}
