/**
 * Every step of a run at its latest status, counted once over all sessions. The counts are kept as they change, so that they add up at
 * every moment and cost nothing to read.
 */
import type { StepStatus } from '../../model/run.ts';
import type { Death } from '../../model/death.ts';
import { ActionError } from '../../core/errors.ts';
import {
  toStepRowId,
  type AddedItem,
  type EndingStep,
  type RecordEntry,
  type SavePlace,
  type StepId,
  type StoredSave,
  type StoredStep,
} from '../../registry/registry.ts';
import type { RunCounts } from '../outcome.ts';

/** A step in this process. */
export interface LedgerEntry {
  readonly id: StepId;
  /** The id of its row; names it within the run. */
  readonly name: string;
  /** Place in the order of first declaration. */
  readonly order: number;
  readonly status: StepStatus;
  /** How it ended, for entries that are asked again. */
  readonly end: StepMemory | undefined;
  /** The deaths of sessions that came while it ran. */
  readonly deaths: readonly Death[];
  /** The registry knows of it, and of its place. */
  readonly isKnown: boolean;
  /** The number of the entry of `run` that began it last; 0 if none in this process did. */
  readonly begunIn: number;
  /** Whether an attempt has begun that did not end: its session or its program died meanwhile. */
  readonly isInterrupted: boolean;
  /** Whether an attempt has sent something that is not idempotent. */
  readonly hasEffects: boolean;
}

export type StepMemory =
  | { readonly status: 'done'; readonly value: string | undefined }
  | { readonly status: 'failed'; readonly error: Error }
  | { readonly status: 'skipped'; readonly reason: string };

type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] };

type RecordName = Pick<RecordEntry, 'dataset' | 'key'>;
/** A record that is saved outside of steps: its place, and how often that was done. */
interface Saved {
  readonly order: number;
  kept: number;
}

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
  readonly #added = new Map<string, AddedItem[]>();
  readonly #deaths: Death[] = [];
  readonly #explained = new Set<Death>();
  /** Death -> the steps that ran then. */
  readonly #victims = new Map<Death, LedgerEntry[]>();
  readonly #saved = new Map<string, Saved>();
  #savesInPass = new Map<Saved, number>();
  /** Names of the steps that contain others. */
  readonly #containers = new Set<string>();
  /** What the current entry of `run` has asked for, by the name of the step around it; '' for `run` itself. */
  readonly #used = new Map<string, Set<string>>();
  #order = 0;
  /** The number of the current entry of `run`. */
  #pass = 0;
  /** Entries below it were known before the current entry of `run` began. */
  #passOrder = 0;

  get counts(): RunCounts {
    return { total: this.#entries.size, ...this.#counts };
  }

  /** The counts once these steps have ended, too. */
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

  /** The same as a person counts them: a step that consists of others is not counted beside them. */
  get units(): { readonly done: number; readonly total: number } {
    const { done, failed, skipped } = this.#counts;
    const isOver = (name: string) => this.#entries.get(name)?.end !== undefined;
    const over = [...this.#containers].filter(isOver).length;
    return { done: done + failed + skipped - over, total: this.#entries.size - this.#containers.size };
  }

  /**
   * What earlier processes left. Steps that failed or were cancelled are at that until `run` asks for them again, and then to be done
   * again; the place of each stays.
   */
  async load(steps: AsyncIterable<StoredStep>, saves: AsyncIterable<StoredSave>): Promise<void> {
    for await (const { id, order, status, end, added, hasEffects } of steps) {
      const memory = end?.status === 'failed' ? undefined : end;
      const entry = makeEntry(id, order, { status, end: memory, hasEffects, isKnown: true });
      // A step is stored when it begins, an item when its batch does; what has sent something has begun.
      entry.isInterrupted = (id.batch === null || hasEffects) && end === undefined;
      this.#add(entry);
      if (added !== undefined && id.batch !== null) this.rememberAdded(scopeOf(id), added);
      this.#order = Math.max(this.#order, order + 1);
    }
    for await (const { dataset, key, order, nth } of saves) {
      this.#saved.set(JSON.stringify([dataset, key]), { order, kept: nth });
      this.#order = Math.max(this.#order, order + 1);
    }
  }

  /** `run` is entered: every key may be used again, once. */
  beginPass(): void {
    this.#pass += 1;
    this.#passOrder = this.#order;
    this.#used.clear();
    this.#savesInPass = new Map();
  }

  /** A step begins to ask for its parts: each of their keys may be used again, once. Parts that failed are done again. */
  beginParts({ name }: LedgerEntry): void {
    for (const part of this.#used.get(name) ?? []) {
      const entry = this.#entries.get(part);
      if (entry?.end?.status === 'failed') entry.end = undefined;
    }
    this.#used.delete(name);
  }

  /** Whether `part` is within the step `whole`, at any depth. */
  isWithin(part: LedgerEntry, whole: LedgerEntry): boolean {
    for (let { within } = part.id; within !== undefined; within = this.#entries.get(within)?.id.within)
      if (within === whole.name) return true;
    return false;
  }

  get(name: string): LedgerEntry | undefined {
    return this.#entries.get(name);
  }

  /** Every step and item, in no particular order. */
  entries(): IterableIterator<LedgerEntry> {
    return this.#entries.values();
  }

  /** Whether the current entry of `run` has asked for it. */
  isAsked({ id, name }: LedgerEntry): boolean {
    return this.#used.get(id.within ?? '')?.has(name) ?? false;
  }

  /** Whether an earlier entry of `run`, or an earlier process, knew of it. */
  isOld({ order }: LedgerEntry): boolean {
    return order < this.#passOrder;
  }

  /** Whether the current entry of `run` has begun it. */
  isBegun({ begunIn }: LedgerEntry): boolean {
    return begunIn === this.#pass;
  }

  /** Declares a step, or finds it again. Throws `ActionError` if the current entry of `run` has used the key before. */
  declare(id: StepId): LedgerEntry {
    const name = toStepRowId(id);
    const used = this.#used.get(id.within ?? '') ?? new Set();
    if (used.has(name)) {
      throw new ActionError(
        `${startSentence(describeStep(id))} is used twice in one run. Give each piece of work a key of its own.`,
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

  /** Its place is on its way to the registry, before anything that comes of it. */
  noteKnown(entry: LedgerEntry): void {
    (entry as Mutable<LedgerEntry>).isKnown = true;
  }

  /** Something that is not idempotent was sent by it. */
  noteEffect(entry: LedgerEntry): void {
    (entry as Mutable<LedgerEntry>).hasEffects = true;
  }

  rememberAdded(batch: string, item: AddedItem): void {
    const items = this.#added.get(batch);
    if (items === undefined) this.#added.set(batch, [item]);
    else items.push(item);
  }

  /** In the order of their adding. */
  addedTo(batch: string): readonly AddedItem[] {
    return this.#added.get(batch) ?? [];
  }

  /**
   * The place in the export order of a record that belongs to no step: that of its first saving. Null where an earlier entry of `run`
   * has kept this saving: a replay must not put an old draft over what came after it.
   */
  beginSave(record: RecordName): SavePlace | null {
    const saved = this.#savedOf(record);
    const nth = (this.#savesInPass.get(saved) ?? 0) + 1;
    this.#savesInPass.set(saved, nth);
    return nth <= saved.kept ? null : { order: saved.order, nth };
  }

  /** A saving that was begun is kept. */
  endSave(record: RecordName, { nth }: SavePlace): void {
    const saved = this.#savedOf(record);
    saved.kept = Math.max(saved.kept, nth);
  }

  /** Stored records outside of steps that the current entry of `run` has not saved again. */
  get unaskedSaves(): readonly RecordName[] {
    return [...this.#saved]
      .filter(([, saved]) => saved.kept > 0 && !this.#savesInPass.has(saved))
      .map(([name]) => {
        const [dataset, key] = JSON.parse(name) as [string, string];
        return { dataset, key };
      });
  }

  #savedOf({ dataset, key }: RecordName): Saved {
    const name = JSON.stringify([dataset, key]);
    const saved = this.#saved.get(name) ?? { order: this.#order++, kept: 0 };
    this.#saved.set(name, saved);
    return saved;
  }

  begin(entry: LedgerEntry): void {
    (entry as Mutable<LedgerEntry>).begunIn = this.#pass;
    this.#set(entry, 'running');
  }

  end(entry: LedgerEntry, memory: StepMemory): void {
    Object.assign(entry, { end: memory, isInterrupted: false });
    this.#set(entry, memory.status);
  }

  /** Not finished, and to be done by a later entry of `run`. */
  cancel(entry: LedgerEntry): void {
    if (entry.status === 'running') (entry as Mutable<LedgerEntry>).isInterrupted = true;
    this.#set(entry, 'cancelled');
  }

  /** A session of the run died, whatever ran on it. */
  noteDeath(death: Death): void {
    this.#deaths.push(death);
  }

  /**
   * How many sessions died while other steps ran, or none did; those that a given-up step explains are left out. Deaths that come back
   * to the same other step count once: it may be as bad itself, and two bad ones must not excuse each other for ever.
   */
  deathsElsewhere(entry: LedgerEntry): number {
    const counted = new Set<LedgerEntry>();
    const others = this.#deaths.filter((death) => !entry.deaths.includes(death) && !this.#explained.has(death));
    return others.filter((death) => {
      const victims = this.#victims.get(death) ?? [];
      const isNews = victims.length === 0 || victims.some((victim) => !counted.has(victim));
      for (const victim of victims) counted.add(victim);
      return isNews;
    }).length;
  }

  /** The step is held to be the reason of its deaths. */
  blame(entry: LedgerEntry): void {
    for (const death of entry.deaths) this.#explained.add(death);
  }

  /** A session died while the step ran; returns how many did. A death that is told again counts once. */
  countDeath(entry: LedgerEntry, death: Death): number {
    if (!entry.deaths.includes(death)) {
      (entry as Mutable<LedgerEntry>).deaths = [...entry.deaths, death];
      this.#victims.set(death, [...(this.#victims.get(death) ?? []), entry]);
    }
    return entry.deaths.length;
  }

  /** The run is over: what waits or runs will not be finished by it. */
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

/** Names a batch within the run: two steps may contain batches of one name. */
export function scopeOf({ within = '', batch }: Pick<StepId, 'within' | 'batch'>): string {
  return JSON.stringify([within, batch]);
}

/** In the middle of a sentence; {@link startSentence} begins one with it. */
export function describeStep({ batch, key }: StepId): string {
  return batch === null ? `the step "${key}"` : `the item "${key}" of batch "${batch}"`;
}

export function startSentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
