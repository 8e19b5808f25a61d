/**
 * Every step of a run with its latest status, counted once over all sessions. The counts are updated with each change, so that they add
 * up at every moment and cost nothing to read.
 */
import type { StepStatus } from '../../model/run.ts';
import type { Death } from '../../model/death.ts';
import { ActionError } from '../../core/errors.ts';
import {
  toStepRowId,
  type AddedItem,
  type EndingStep,
  type RecordEntry,
  type SavePosition,
  type StepId,
  type StoredSave,
  type StoredStep,
} from '../../registry/registry.ts';
import type { RunCounts } from '../outcome.ts';
import { RunTimings } from '../reports/timings.ts';
import { describeStep, startSentence } from '../steps/step-words.ts';

/** A step or item in this process. */
export interface LedgerEntry {
  readonly id: StepId;
  /** The id of its row, unique within the run. */
  readonly name: string;
  /** The position in the order of first declaration. */
  readonly order: number;
  readonly status: StepStatus;
  /** How it ended, for an entry of `run` that asks for it again. */
  readonly end: StepMemory | undefined;
  /** The deaths of sessions while it ran. */
  readonly deaths: readonly Death[];
  /** True if it was declared to the registry, with its position. */
  readonly isKnown: boolean;
  /** The number of the entry of `run` that began it last; 0 if none in this process did. */
  readonly begunIn: number;
  /** True if an attempt began and did not end, because its session or its program died. */
  readonly isInterrupted: boolean;
  /** True if an attempt has sent a request that is not idempotent. */
  readonly hasEffects: boolean;
}

export type StepMemory =
  | { readonly status: 'done'; readonly value: string | undefined }
  | { readonly status: 'failed'; readonly error: Error }
  | { readonly status: 'skipped'; readonly reason: string };

type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] };

type RecordName = Pick<RecordEntry, 'dataset' | 'key'>;
/** A record that is saved outside of steps: its position, and the number of its stored savings. */
interface Saved {
  readonly order: number;
  stored: number;
}

export class Ledger {
  readonly timings = new RunTimings();
  readonly #entries = new Map<string, Mutable<LedgerEntry>>();
  readonly #counts: Record<StepStatus, number> = {
    queued: 0,
    running: 0,
    done: 0,
    failed: 0,
    cancelled: 0,
    skipped: 0,
  };
  readonly #added = new Map<string, AddedItem[]>();
  readonly #deaths: Death[] = [];
  readonly #explained = new Set<Death>();
  /** Death -> the steps that ran at that time. */
  readonly #victims = new Map<Death, LedgerEntry[]>();
  readonly #saved = new Map<string, Saved>();
  #savesInPass = new Map<Saved, number>();
  /** The names of the steps that contain others. */
  readonly #containers = new Set<string>();
  /** The steps and items that the current entry of `run` has asked for, by the name of the containing step; '' for `run` itself. */
  readonly #used = new Map<string, Set<string>>();
  #order = 0;
  /** The number of the current entry of `run`. */
  #pass = 0;
  /** The steps with a lower order were known before the current entry of `run` began. */
  #passOrder = 0;

  get counts(): RunCounts {
    return { total: this.#entries.size, ...this.#counts };
  }

  /** Returns the counts after the end of these steps. */
  countsAfter(ending: readonly EndingStep[]): RunCounts {
    const counts = { ...this.counts };
    for (const { id, status } of ending) {
      const entry = this.#entries.get(id);
      if (entry === undefined) continue;
      counts[entry.status] -= 1;
      counts[status] += 1;
    }
    return counts;
  }

  /** The ended units and all units for a display: a step that contains other units is not counted beside them. */
  get units(): { readonly done: number; readonly total: number } {
    const { done, failed, skipped } = this.#counts;
    const isOver = (name: string) => this.#entries.get(name)?.end !== undefined;
    const over = [...this.#containers].filter(isOver).length;
    return { done: done + failed + skipped - over, total: this.#entries.size - this.#containers.size };
  }

  /**
   * Loads what earlier processes stored. Steps that failed or were cancelled have that status until `run` asks for them again, and are
   * then done again. Each step stays at its position.
   */
  async load(steps: AsyncIterable<StoredStep>, saves: AsyncIterable<StoredSave>): Promise<void> {
    for await (const { id, order, status, end, added, hasEffects } of steps) {
      const memory = end?.status === 'failed' ? undefined : end;
      const entry = makeEntry(id, order, { status, end: memory, hasEffects, isKnown: true });
      // A step is stored when it begins, an item when its batch begins. A unit with effects has begun.
      entry.isInterrupted = (id.batch === null || hasEffects) && end === undefined;
      this.#add(entry);
      if (added !== undefined && id.batch !== null) this.rememberAdded(scopeOf(id), added);
      this.#order = Math.max(this.#order, order + 1);
    }
    for await (const { dataset, key, order, nth } of saves) {
      this.#saved.set(JSON.stringify([dataset, key]), { order, stored: nth });
      this.#order = Math.max(this.#order, order + 1);
    }
  }

  /** Notes that `run` is entered: it may use every key again, once. */
  beginPass(): void {
    this.#pass += 1;
    this.#passOrder = this.#order;
    this.#used.clear();
    this.#savesInPass = new Map();
  }

  /** Notes that a step begins: it may use each key of its parts again, once. Parts that failed are done again. */
  beginParts({ name }: LedgerEntry): void {
    for (const part of this.#used.get(name) ?? []) {
      const entry = this.#entries.get(part);
      if (entry?.end?.status === 'failed') entry.end = undefined;
    }
    this.#used.delete(name);
  }

  /** Returns whether `part` is within the step `whole`, at any depth. */
  isWithin(part: LedgerEntry, whole: LedgerEntry): boolean {
    for (let { within } = part.id; within !== undefined; within = this.#entries.get(within)?.id.within)
      if (within === whole.name) return true;
    return false;
  }

  get(name: string): LedgerEntry | undefined {
    return this.#entries.get(name);
  }

  /** Returns every step and item, in no particular order. */
  entries(): IterableIterator<LedgerEntry> {
    return this.#entries.values();
  }

  /** Returns the first steps and items that have failed, at most `max`. */
  listFailed(max: number): LedgerEntry[] {
    const failed: LedgerEntry[] = [];
    if (this.#counts.failed === 0) return failed;
    for (const entry of this.#entries.values()) {
      if (entry.status === 'failed') failed.push(entry);
      if (failed.length === max) break;
    }
    return failed;
  }

  /** Returns whether the current entry of `run` has asked for the step. */
  isAsked({ id, name }: LedgerEntry): boolean {
    return this.#used.get(id.within ?? '')?.has(name) ?? false;
  }

  /** Returns whether an earlier entry of `run`, or an earlier process, has declared the step. */
  isOld({ order }: LedgerEntry): boolean {
    return order < this.#passOrder;
  }

  /** Returns whether the current entry of `run` has begun the step. */
  isBegun({ begunIn }: LedgerEntry): boolean {
    return begunIn === this.#pass;
  }

  /** Declares a step, or finds it again. Throws `ActionError` if the current entry of `run` has already used the key. */
  declare(id: StepId): LedgerEntry {
    const name = toStepRowId(id);
    const used = this.#used.get(id.within ?? '') ?? new Set();
    if (used.has(name)) {
      throw new ActionError(
        `${startSentence(describeStep(id))} is used twice in one run. Give each unit of work its own key.`,
      );
    }
    this.#used.set(id.within ?? '', used.add(name));
    const known = this.#entries.get(name);
    if (known !== undefined) {
      if (known.status === 'cancelled' || (known.status === 'failed' && known.end === undefined))
        this.#set(known, 'queued');
      return known;
    }
    const entry = makeEntry(id, this.#order++, { status: 'queued', end: undefined, hasEffects: false, isKnown: false });
    this.#add(entry);
    return entry;
  }

  /** Notes that the registry gets the step's position, before everything that the step causes. */
  noteKnown(entry: LedgerEntry): void {
    (entry as Mutable<LedgerEntry>).isKnown = true;
  }

  /** Notes that the step has sent a request that is not idempotent. */
  noteEffect(entry: LedgerEntry): void {
    (entry as Mutable<LedgerEntry>).hasEffects = true;
  }

  rememberAdded(batch: string, item: AddedItem): void {
    const items = this.#added.get(batch);
    if (items === undefined) this.#added.set(batch, [item]);
    else items.push(item);
  }

  /** Returns the items that were added to the batch, in the order in which they were added. */
  addedTo(batch: string): readonly AddedItem[] {
    return this.#added.get(batch) ?? [];
  }

  /**
   * Returns the position in the export order of a record that belongs to no step: that of its first saving. Returns null if an earlier
   * entry of `run` has stored this saving, because a replay must not replace a newer version by an older one.
   */
  beginSave(record: RecordName): SavePosition | null {
    const saved = this.#savedOf(record);
    const nth = (this.#savesInPass.get(saved) ?? 0) + 1;
    this.#savesInPass.set(saved, nth);
    return nth <= saved.stored ? null : { order: saved.order, nth };
  }

  /** Notes that a saving was stored. */
  endSave(record: RecordName, { nth }: SavePosition): void {
    const saved = this.#savedOf(record);
    saved.stored = Math.max(saved.stored, nth);
  }

  /** The stored records outside of steps that the current entry of `run` has not saved again. */
  get unaskedSaves(): readonly RecordName[] {
    return [...this.#saved]
      .filter(([, saved]) => saved.stored > 0 && !this.#savesInPass.has(saved))
      .map(([name]) => {
        const [dataset, key] = JSON.parse(name) as [string, string];
        return { dataset, key };
      });
  }

  #savedOf({ dataset, key }: RecordName): Saved {
    const name = JSON.stringify([dataset, key]);
    const saved = this.#saved.get(name) ?? { order: this.#order++, stored: 0 };
    this.#saved.set(name, saved);
    return saved;
  }

  begin(entry: LedgerEntry): void {
    (entry as Mutable<LedgerEntry>).begunIn = this.#pass;
    this.timings.begin(entry.name);
    this.#set(entry, 'running');
  }

  end(entry: LedgerEntry, memory: StepMemory): void {
    Object.assign(entry, { end: memory, isInterrupted: false });
    this.timings.end(entry.name, { id: entry.id, isContainer: this.#containers.has(entry.name) });
    this.#set(entry, memory.status);
  }

  /** Ends the step as not finished. A later entry of `run` does it again. */
  cancel(entry: LedgerEntry): void {
    if (entry.status === 'running') (entry as Mutable<LedgerEntry>).isInterrupted = true;
    this.timings.cancel(entry.name);
    this.#set(entry, 'cancelled');
  }

  /** Notes the death of a session of the run, whether or not a step ran on it. */
  noteDeath(death: Death): void {
    this.#deaths.push(death);
  }

  /**
   * Returns the number of sessions that died while `entry` did not run. Deaths that a given-up step explains don't count. Several deaths
   * during the same other step count once: that step may be the reason itself, and two such steps must not excuse each other for ever.
   */
  deathsElsewhere(entry: LedgerEntry): number {
    const counted = new Set<LedgerEntry>();
    const others = this.#deaths.filter((death) => !entry.deaths.includes(death) && !this.#explained.has(death));
    return others.filter((death) => {
      const victims = this.#victims.get(death) ?? [];
      const isNew = victims.length === 0 || victims.some((victim) => !counted.has(victim));
      for (const victim of victims) counted.add(victim);
      return isNew;
    }).length;
  }

  /** Notes that the step is considered the reason of its deaths. */
  blame(entry: LedgerEntry): void {
    for (const death of entry.deaths) this.#explained.add(death);
  }

  /** Notes that a session died while the step ran. Returns the number of such deaths. A death that is reported again counts once. */
  countDeath(entry: LedgerEntry, death: Death): number {
    if (!entry.deaths.includes(death)) {
      (entry as Mutable<LedgerEntry>).deaths = [...entry.deaths, death];
      this.#victims.set(death, [...(this.#victims.get(death) ?? []), entry]);
    }
    return entry.deaths.length;
  }

  /** Cancels the queued and running steps at the end of the run. */
  cancelOpen(): void {
    for (const entry of this.#entries.values()) {
      if (entry.status === 'queued' || entry.status === 'running') this.#set(entry, 'cancelled');
    }
  }

  #add(entry: Mutable<LedgerEntry>): void {
    this.#entries.set(entry.name, entry);
    this.#counts[entry.status] += 1;
    if (entry.id.within !== undefined) this.#containers.add(entry.id.within);
  }

  #set(entry: LedgerEntry, status: StepStatus): void {
    this.#counts[entry.status] -= 1;
    this.#counts[status] += 1;
    (entry as Mutable<LedgerEntry>).status = status;
  }
}

function makeEntry(
  id: StepId,
  order: number,
  state: Pick<LedgerEntry, 'status' | 'end' | 'hasEffects' | 'isKnown'>,
): Mutable<LedgerEntry> {
  return { id, name: toStepRowId(id), order, deaths: [], begunIn: 0, isInterrupted: false, ...state };
}

/** Returns a name of the batch that is unique within the run: two steps may contain batches of the same name. */
export function scopeOf({ within = '', batch }: Pick<StepId, 'within' | 'batch'>): string {
  return JSON.stringify([within, batch]);
}
