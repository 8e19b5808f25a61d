/** Converts values to plain JSON for the registry. Values that JSON would change are refused, with their path. */
import { ActionError, NonRetryableError } from '../../core/errors.ts';

/** The maximum depth of a value. `JSON.stringify` recurses, and overflows the stack at some thousand levels. */
const MAX_DEPTH = 1_000;
/** The maximum length of one text. With every letter escaped it is still below the 512 MB that a string can have. */
const MAX_LETTERS = 64_000_000;
/** The length at which a path is cut in error messages. */
const MAX_PATH_LETTERS = 200;

/**
 * Returns the JSON text of `value`; undefined for undefined. Leaves out fields that are undefined. Throws `ActionError` with the path of
 * the first value that JSON can't represent. `what` is the name of the value at the start of a sentence.
 */
export function toJsonText(value: unknown, what: () => string): string | undefined {
  const tooLarge = () =>
    new ActionError(`${what()} can't be stored: it has more than ${MAX_LETTERS / 1e6} MB as JSON.`);
  return toCheckedText(value, what, tooLarge);
}

/** A record that is larger than the setting MAX_RECORD_MB allows. */
export class RecordTooLargeError extends NonRetryableError {
  override readonly code = 'record-too-large';

  /** `bytes` is undefined for a record that is too large to be counted. */
  constructor(
    { dataset, key }: { readonly dataset: string; readonly key: string },
    bytes: number | undefined,
    limit: number,
  ) {
    const size = bytes === undefined ? `more than ${toMb(MAX_LETTERS)}` : toMb(bytes);
    super(
      `The record "${key}" of dataset "${dataset}" takes ${size} as JSON; the limit is ${toMb(limit)}. Save large content as a file in ` +
        '`ctx.folder` and its path in the record, or raise MAX_RECORD_MB.',
      { data: { dataset, key, bytes: bytes ?? null, limit } },
    );
  }
}

/**
 * Returns the JSON text of a record. Throws `ActionError` if it is not an object, {@link RecordTooLargeError} above `maxBytes` of UTF-8.
 */
export function toRecordText(
  value: unknown,
  { maxBytes, ...name }: { readonly dataset: string; readonly key: string; readonly maxBytes: number },
): string {
  const what = () => `The record "${name.key}"`;
  const text = toCheckedText(value, what, () => new RecordTooLargeError(name, undefined, maxBytes));
  if (text === undefined || !text.startsWith('{')) {
    throw new ActionError(`${what()} must be an object with the record's fields, not ${describe(value)}.`);
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) throw new RecordTooLargeError(name, bytes, maxBytes);
  return text;
}

/** Returns the value that an action gets, the first time and after a resume. */
export function fromJsonText<Value>(text: string | undefined): Value {
  return (text === undefined ? undefined : JSON.parse(text)) as Value;
}

function toCheckedText(value: unknown, what: () => string, tooLarge: () => Error): string | undefined {
  const check = new JsonCheck(what, tooLarge);
  check.visit(value);
  const text = JSON.stringify(value) as string | undefined;
  if (text !== undefined && text.length > MAX_LETTERS) throw tooLarge();
  return text;
}

class JsonCheck {
  readonly #what: () => string;
  readonly #tooLarge: () => Error;
  /** The objects around the current value, and its path. */
  readonly #around = new Set<object>();
  readonly #path: (string | number)[] = [];
  #letters = 0;

  constructor(what: () => string, tooLarge: () => Error) {
    this.#what = what;
    this.#tooLarge = tooLarge;
  }

  /** Throws for a value that JSON can't represent. */
  visit(value: unknown): void {
    if (typeof value === 'string') this.#count(value.length);
    if (value === null || value === undefined || typeof value === 'string' || typeof value === 'boolean') return;
    if (typeof value === 'number' && Number.isFinite(value)) return;
    if (typeof value !== 'object') return this.#refuse(describe(value));
    if (this.#around.has(value)) return this.#refuse('part of a circle of references');
    if (this.#around.size >= MAX_DEPTH) return this.#refuse(`nested deeper than ${MAX_DEPTH} levels`);
    this.#around.add(value);
    if (Array.isArray(value)) this.#visitList(value);
    else if (isPlainObject(value)) this.#visitObject(value);
    else this.#refuse(describe(value));
    this.#around.delete(value);
  }

  #visitList(list: readonly unknown[]): void {
    if (hasToJson(list)) this.#refuse('a list with `toJSON`');
    for (let index = 0; index < list.length; index += 1) {
      this.#path.push(index);
      if (!(index in list)) this.#refuse('missing: the list has a hole');
      if (list[index] === undefined) this.#refuse('undefined, which is null in a list of JSON');
      this.#count(1);
      this.visit(list[index]);
      this.#path.pop();
    }
  }

  #visitObject(object: Readonly<Record<string, unknown>>): void {
    const isLost = (key: symbol) => Object.prototype.propertyIsEnumerable.call(object, key);
    const lost = Object.getOwnPropertySymbols(object).find(isLost);
    if (lost !== undefined) this.#refuse(`an object with the key ${String(lost)}, which JSON leaves out`);
    for (const [name, value] of Object.entries(object)) {
      this.#path.push(name);
      this.#count(name.length);
      this.visit(value);
      this.#path.pop();
    }
    if (hasToJson(object)) this.#refuse('an object with `toJSON`');
  }

  #count(letters: number): void {
    this.#letters += letters;
    if (this.#letters > MAX_LETTERS) throw this.#tooLarge();
  }

  #refuse(reason: string): never {
    throw new ActionError(
      `${this.#what()} can't be stored: ${toPathText(this.#path)} is ${reason}. Use plain JSON: text, numbers, booleans, null, arrays, objects.`,
    );
  }
}

function toPathText(path: readonly (string | number)[]): string {
  const text = path.map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`)).join('');
  return text.length > MAX_PATH_LETTERS ? `${text.slice(0, MAX_PATH_LETTERS)}…` : text || 'it';
}

function toMb(bytes: number): string {
  return `${Math.ceil(bytes / 1e5) / 10} MB`;
}

/** Returns whether the value has `toJSON`, also inherited or hidden. `JSON.stringify` calls it instead of reading the fields. */
function hasToJson(value: object): boolean {
  return 'toJSON' in value && typeof value.toJSON === 'function';
}

function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A plain object of another realm (node:vm) has a prototype whose own prototype is null.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    const { name } = (value.constructor as { name?: string } | undefined) ?? {};
    if (name === 'Date') return 'a Date (store its `toISOString()`)';
    return Array.isArray(value) ? 'an array' : `a ${name ?? 'foreign object'}`;
  }
  return typeof value === 'number' ? `the number ${value}` : `a ${typeof value}`;
}
