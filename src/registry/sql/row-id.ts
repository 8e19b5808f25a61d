import { createHash } from 'node:crypto';

import { maskSecrets } from '../../core/secrets.ts';
import type { StepId } from '../runs/run-store.ts';

/** The maximum number of characters of an id that is not hashed. PostgreSQL's indexes allow about 2 700 bytes; a key may be a long URL. */
const MAX_PLAIN_LENGTH = 200;

/** Returns the parts of a name as one text; the hash of that text if it is long. */
export function toRowId(...parts: readonly (string | null)[]): string {
  const text = JSON.stringify(parts);
  if (text.length <= MAX_PLAIN_LENGTH) return text;
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** Returns the id of a step's row: its name within the run. */
export function toStepRowId({ within, batch, key }: StepId): string {
  return within === undefined ? toRowId(batch, key) : toRowId(within, batch, key);
}

/** Returns a name as it is stored in a column, with JSON escapes. They replace all characters that a database refuses. */
export function toStoredName(name: string): string {
  return JSON.stringify(name).slice(1, -1);
}

export function fromStoredName(stored: string): string {
  return JSON.parse(`"${stored}"`) as string;
}

/**
 * Returns a text for readers, such as a message or a label, without secret values. PostgreSQL refuses NUL in texts, and UTF-8 has no lone
 * surrogates; messages of pages and browsers may contain both. Values and records are data and are stored unchanged.
 */
export function toStorableText(text: string): string {
  return maskSecrets(text).replaceAll('\0', '\ufffd').toWellFormed();
}
