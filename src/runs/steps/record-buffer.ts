/** Records before they are stored. Each is validated when it is saved, and stored together with its step, or dropped with it. */
import { ActionError } from '../../core/errors.ts';
import type { RecordEntry } from '../../registry/registry.ts';
import type { SaveOptions } from '../context.ts';
import { toRecordText } from './json-value.ts';

const DEFAULT_DATASET = 'records';

type RecordName = Pick<RecordEntry, 'dataset' | 'key'>;

/** The records of one attempt, until they are stored with its step or dropped. */
export class RecordBuffer {
  readonly #records = new Map<string, { -readonly [Name in keyof RecordEntry]: RecordEntry[Name] }>();
  readonly #replaced = new Map<string, RecordName>();
  readonly #throwIfOver: () => void;
  readonly #maxRecordBytes: number;
  #closed = false;

  constructor(throwIfOver: () => void, maxRecordBytes: number) {
    this.#throwIfOver = throwIfOver;
    this.#maxRecordBytes = maxRecordBytes;
  }

  readonly save = (record: object, options: SaveOptions): void => {
    this.#throwIfOver();
    if (this.#closed)
      throw new ActionError(
        `A record ("${options.key}") was saved after its step had ended. Await all work of a step inside it.`,
      );
    const entry = toRecordEntry(record, options, this.#maxRecordBytes);
    const id = JSON.stringify([entry.dataset, entry.key]);
    const replaced = this.#records.get(id);
    if (replaced !== undefined && replaced.json !== entry.json)
      this.#replaced.set(id, { dataset: entry.dataset, key: entry.key });
    this.#records.set(id, entry);
  };

  list(): RecordEntry[] {
    return [...this.#records.values()];
  }

  close(): void {
    this.#closed = true;
  }

  /**
   * Drops the records after they were stored, and returns those that replaced another one of this attempt with other content. The texts are
   * emptied, because dead objects of a commit can hold them until the next full garbage collection: memory would grow to the heap's limit.
   */
  drop(): Iterable<RecordName> {
    for (const entry of this.#records.values()) entry.json = '';
    this.#records.clear();
    return this.#replaced.values();
  }
}

/** Validates a record and its key, for every way to save a record. */
export function toRecordEntry(record: object, options: SaveOptions, maxBytes: number): RecordEntry {
  const { key, dataset = DEFAULT_DATASET } = options ?? {};
  if (key === undefined)
    throw new ActionError(
      "A record has no key. Give it one that is unique within its dataset: save(record, { key: 'item 7' }).",
    );
  validateKey(key, 'A record');
  validateKey(dataset, 'A dataset');
  return { dataset, key, json: toRecordText(record, { dataset, key, maxBytes }) };
}

/** Throws `ActionError` if the key is not a string or is empty. `what` names the thing with the key. */
export function validateKey(key: unknown, what: string): string {
  if (typeof key !== 'string' || key === '')
    throw new ActionError(
      `${what} needs a key that is a string and not empty; this one is ${JSON.stringify(key) ?? 'missing'}.`,
    );
  return key;
}
