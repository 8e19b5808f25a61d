/**
 * Every step of a run at its latest status, counted once over all sessions. The counts are kept as they change, so that they add up at
 * every moment and cost nothing to read.
 */
import { ActionError } from '../core/errors.ts';
import type { StepId, StepStatus } from '../registry/registry.ts';
import type { RunCounts } from './outcome.ts';

/** A step in this process. */
export interface LedgerEntry {
  readonly id: StepId;
  /** Place in the order of first declaration. */
  readonly order: number;
  readonly status: StepStatus;
  /** How it ended, for entries that are asked again. */
  readonly end: StepMemory | undefined;
  /** Sessions that died while it ran. */
  readonly deaths: number;
}

export type StepMemory =
  | { readonly status: 'done'; readonly value: string | undefined }
  | { readonly status: 'failed'; readonly error: Error }
  | { readonly status: 'skipped'; readonly reason: string };

type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] };

export class Ledger {
  readonly #entries = new Map<string, Mutable<LedgerEntry>>();
  readonly #counts: Record<StepStatus, number> = {
    queued: 0,
    running: 0,
    done: 0,
    failed: 0,
    cancelled: 0,
    skipped: 0,
  };
  /** Batch -> items, as JSON, that its workers added. */
  readonly #added = new Map<string, string[]>();
  readonly #recordOrders = new Map<string, number>();
  /** What the current entry of `run` has used. */
  #used = new Set<string>();
  #order = 0;

  get counts(): RunCounts {
    return { total: this.#entries.size, ...this.#counts };
  }

  /** `run` begins anew: every key may be used again, once. */
  beginPass(): void {
    this.#used = new Set();
  }

  /** Declares a step, or finds it again. Throws `ActionError` when this pass used the key before. */
  declare(id: StepId): LedgerEntry {
    const name = JSON.stringify([id.batch, id.key]);
    if (this.#used.has(name)) {
      throw new ActionError(`${describeStep(id)} is used twice in one run. Give each piece of work a key of its own.`);
    }
    this.#used.add(name);
    const known = this.#entries.get(name);
    if (known !== undefined) {
      if (known.status === 'cancelled') this.#set(known, 'queued');
      return known;
    }
    const entry: Mutable<LedgerEntry> = { id, order: this.#order++, status: 'queued', end: undefined, deaths: 0 };
    this.#entries.set(name, entry);
    this.#counts.queued += 1;
    return entry;
  }

  rememberAdded(batch: string, item: string): void {
    const items = this.#added.get(batch);
    if (items === undefined) this.#added.set(batch, [item]);
    else items.push(item);
  }

  /** In the order of their adding. */
  addedTo(batch: string): readonly string[] {
    return this.#added.get(batch) ?? [];
  }

  /** The place in the export order of a record that belongs to no step: that of its first saving. */
  orderOfRecord({ dataset, key }: { readonly dataset: string; readonly key: string }): number {
    const name = JSON.stringify([dataset, key]);
    const order = this.#recordOrders.get(name) ?? this.#order++;
    this.#recordOrders.set(name, order);
    return order;
  }

  begin(entry: LedgerEntry): void {
    this.#set(entry, 'running');
  }

  end(entry: LedgerEntry, memory: StepMemory): void {
    (entry as Mutable<LedgerEntry>).end = memory;
    this.#set(entry, memory.status);
  }

  /** Not finished, and to be done by a later entry of `run`. */
  cancel(entry: LedgerEntry): void {
    this.#set(entry, 'cancelled');
  }

  /** Another session died while the step ran; returns how many did. */
  countDeath(entry: LedgerEntry): number {
    return ((entry as Mutable<LedgerEntry>).deaths += 1);
  }

  /** The run is over: what waits or runs will not be finished by it. */
  cancelOpen(): void {
    for (const entry of this.#entries.values()) {
      if (entry.status === 'queued' || entry.status === 'running') this.#set(entry, 'cancelled');
    }
  }

  #set(entry: LedgerEntry, status: StepStatus): void {
    this.#counts[entry.status] -= 1;
    this.#counts[status] += 1;
    (entry as Mutable<LedgerEntry>).status = status;
  }
}

export function describeStep({ batch, key }: StepId): string {
  return batch === null ? `The step "${key}"` : `The item "${key}" of batch "${batch}"`;
}
