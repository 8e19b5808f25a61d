/** Values that survive being stored: plain JSON. What would change on the way is refused with its path. */
import { ActionError } from '../../core/errors.ts';

/** The JSON text of `value`, which `what` begins a sentence about; undefined for undefined. Throws `ActionError`, naming the first place that JSON can't hold. */
export function toJsonText(value: unknown, what: () => string): string | undefined {
  assertJson(value, { path: '', what, seen: new Set() });
  return JSON.stringify(value);
}

/** The JSON text of a record, which is an object. */
export function toRecordText(value: unknown, what: () => string): string {
  const text = toJsonText(value, what);
  if (text === undefined || !text.startsWith('{')) {
    throw new ActionError(`${what()} must be an object with the record's fields, not ${describe(value)}.`);
  }
  return text;
}

/** What an author gets back, the first time as after a resume. */
export function fromJsonText<Value>(text: string | undefined): Value {
  return (text === undefined ? undefined : JSON.parse(text)) as Value;
}

function assertJson(
  value: unknown,
  { path, what, seen }: { path: string; what: () => string; seen: Set<object> },
): void {
  if (value === null || value === undefined || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  const refuse = (reason: string): never => {
    throw new ActionError(
      `${what()} can't be stored: ${path === '' ? 'it' : path} is ${reason}. Use plain JSON: text, numbers, booleans, null, arrays, objects.`,
    );
  };
  if (typeof value !== 'object') return refuse(describe(value));
  if (seen.has(value)) return refuse('part of a circle of references');
  const entries = Array.isArray(value) ? value.entries() : isPlainObject(value) ? Object.entries(value) : undefined;
  if (entries === undefined) return refuse(describe(value));
  seen.add(value);
  for (const [name, item] of entries) {
    const step = typeof name === 'number' ? `[${name}]` : path === '' ? name : `.${name}`;
    assertJson(item, { path: path + step, what, seen });
  }
  seen.delete(value);
}

function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A plain object of another realm (node:vm) has a prototype of its own that stands directly under null.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    const { name } = (value.constructor as { name?: string } | undefined) ?? {};
    return Array.isArray(value) ? 'an array' : `a ${name ?? 'foreign object'}`;
  }
  return typeof value === 'number' ? `the number ${value}` : `a ${typeof value}`;
}
