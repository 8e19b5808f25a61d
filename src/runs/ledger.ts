/**
 * Every step of a run at its latest status, counted once over all sessions. The counts are kept as they change, so that they add up at
 * every moment and cost nothing to read.
 */
import { ActionError } from '../core/errors.ts';
import type {
  AddedItem,
  RecordEntry,
  SavePlace,
  StepId,
  StepStatus,
  StoredSave,
  StoredStep,
} from '../registry/registry.ts';
import type { Death } from '../supervisor/supervisor.ts';
import type { RunCounts } from './outcome.ts';

/** A step in this process. */
export interface LedgerEntry {
  readonly id: StepId;
  /** Place in the order of first declaration. */
  readonly order: number;
  readonly status: StepStatus;
  /** How it ended, for entries that are asked again. */
  readonly end: StepMemory | undefined;
  /** The deaths of sessions that came while it ran. */
  readonly deaths: readonly Death[];
  /** The registry knows of it, and of its place. */
  readonly isKnown: boolean;
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
  /** What the current entry of `run` has used. */
  #used = new Set<string>();
  #order = 0;

  get counts(): RunCounts {
    return { total: this.#entries.size, ...this.#counts };
  }

  /**
   * What earlier processes left. Steps that failed or were cancelled are at that until `run` asks for them again, and then to be done
   * again; the place of each stays.
   */
  load(steps: readonly StoredStep[], saves: readonly StoredSave[]): void {
    for (const { id, order, status, end, added } of steps) {
      const memory = end?.status === 'failed' ? undefined : end;
      this.#entries.set(nameOf(id), { id, order, status, end: memory, deaths: [], isKnown: true });
      this.#counts[status] += 1;
      if (added !== undefined && id.batch !== null) this.rememberAdded(id.batch, added);
      this.#order = Math.max(this.#order, order + 1);
    }
    for (const { dataset, key, order, nth } of saves) {
      this.#saved.set(JSON.stringify([dataset, key]), { order, kept: nth });
      this.#order = Math.max(this.#order, order + 1);
    }
  }

  /** `run` begins anew: every key may be used again, once. */
  beginPass(): void {
    this.#used = new Set();
    this.#savesInPass = new Map();
  }

  /** Declares a step, or finds it again. Throws `ActionError` when this pass used the key before. */
  declare(id: StepId): LedgerEntry {
    const name = nameOf(id);
    if (this.#used.has(name)) {
      throw new ActionError(
        `${startSentence(describeStep(id))} is used twice in one run. Give each piece of work a key of its own.`,
      );
    }
    this.#used.add(name);
    const known = this.#entries.get(name);
    if (known !== undefined) {
      if (known.status === 'cancelled' || (known.status === 'failed' && known.end === undefined))
        this.#set(known, 'queued');
      return known;
    }
    const entry: Mutable<LedgerEntry> = {
      id,
      order: this.#order++,
      status: 'queued',
      end: undefined,
      deaths: [],
      isKnown: false,
    };
    this.#entries.set(name, entry);
    this.#counts.queued += 1;
    return entry;
  }

  /** Its place is on its way to the registry, before anything that comes of it. */
  noteKnown(entry: LedgerEntry): void {
    (entry as Mutable<LedgerEntry>).isKnown = true;
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

  #savedOf({ dataset, key }: RecordName): Saved {
    const name = JSON.stringify([dataset, key]);
    const saved = this.#saved.get(name) ?? { order: this.#order++, kept: 0 };
    this.#saved.set(name, saved);
    return saved;
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

  #set(entry: LedgerEntry, status: StepStatus): void {
    this.#counts[entry.status] -= 1;
    this.#counts[status] += 1;
    (entry as Mutable<LedgerEntry>).status = status;
  }
}

function nameOf({ batch, key }: StepId): string {
  return JSON.stringify([batch, key]);
}

/** In the middle of a sentence; {@link startSentence} begins one with it. */
export function describeStep({ batch, key }: StepId): string {
  return batch === null ? `the step "${key}"` : `the item "${key}" of batch "${batch}"`;
}

export function startSentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
