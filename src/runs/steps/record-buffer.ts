/** Records on their way to the registry: checked as they are saved, kept together with their step, or dropped with it. */
import { ActionError } from '../../core/errors.ts';
import type { RecordEntry } from '../../registry/registry.ts';
import type { SaveOptions } from '../context.ts';
import { toRecordText } from './json-value.ts';

const DEFAULT_DATASET = 'records';

/** The records of one attempt, until they are kept with its step, or dropped. */
export class RecordBuffer {
  readonly #records = new Map<string, { -readonly [Name in keyof RecordEntry]: RecordEntry[Name] }>();
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
    this.#records.set(JSON.stringify([entry.dataset, entry.key]), entry);
  };

  list(): RecordEntry[] {
    return [...this.#records.values()];
  }

  close(): void {
    this.#closed = true;
  }

  /**
   * Its records are stored. Their text is cut off, because dead objects of a commit can hold them until the next full collection: memory
   * would grow to whatever the heap allows.
   */
  drop(): void {
    for (const entry of this.#records.values()) entry.json = '';
    this.#records.clear();
  }
}

/** Checks a record and its key as every way of saving does. */
export function toRecordEntry(record: object, options: SaveOptions, maxBytes: number): RecordEntry {
  const { key, dataset = DEFAULT_DATASET } = options ?? {};
  if (key === undefined)
    throw new ActionError(
      "A record needs a key, which names it within its dataset: save(record, { key: 'item 7' }). It has none.",
    );
  validateKey(key, 'A record');
  validateKey(dataset, 'A dataset');
  return { dataset, key, json: toRecordText(record, { dataset, key, maxBytes }) };
}

/** Throws `ActionError` naming what has no usable key. */
export function validateKey(key: unknown, what: string): string {
  if (typeof key !== 'string' || key === '')
    throw new ActionError(
      `${what} needs a key that is a text and not empty; this one is ${JSON.stringify(key) ?? 'missing'}.`,
    );
  return key;
}
