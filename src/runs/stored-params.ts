/** The parameters of a run as they are stored: without what may be secret in them. */
import { isDeepStrictEqual } from 'node:util';

import { redactValue } from '../core/redact.ts';

/** The parameters as the user gave them, without their secrets. */
export interface StoredParams {
  readonly values: Readonly<Record<string, unknown>>;
  /** The names of parameters with a hidden secret. A resume needs them again. */
  readonly hidden: readonly string[];
}

export function toStoredParams(given: unknown): StoredParams {
  const plain = toPlain(given);
  const values = redactValue(plain) as Record<string, unknown>;
  const hidden = Object.keys(plain).filter((name) => !isDeepStrictEqual(plain[name], values[name]));
  return { values, hidden };
}

/** Returns the names of the parameters that a resume needs again, because possible secrets in them are not stored. */
export function hiddenParameters(given: unknown): readonly string[] {
  return toStoredParams(given).hidden;
}

/** Values that are not an object become no fields. The action's schema refuses them later, with the reason. */
export function toFields(params: unknown): Readonly<Record<string, unknown>> {
  return typeof params === 'object' && params !== null ? (params as Record<string, unknown>) : {};
}

export function toPlain(value: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(toFields(value))) as Record<string, unknown>;
}
