import { createHash } from 'node:crypto';

import { maskSecrets } from '../../core/secrets.ts';
import type { StepId } from '../runs/run-store.ts';

/** PostgreSQL's indexes take about 2 700 bytes; a key may be a URL of any length. */
const LONGEST_PLAIN = 200;

/** One text for a name of several parts; long names by their hash. */
export function toRowId(...parts: readonly (string | null)[]): string {
  const text = JSON.stringify(parts);
  if (text.length <= LONGEST_PLAIN) return text;
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** The id of a step's row: its name within the run. */
export function toStepRowId({ within, batch, key }: StepId): string {
  return within === undefined ? toRowId(batch, key) : toRowId(within, batch, key);
}

/** A name as a column keeps it: as it is, but for what JSON escapes, among that all that no database takes. */
export function toStoredName(name: string): string {
  return JSON.stringify(name).slice(1, -1);
}

export function fromStoredName(stored: string): string {
  return JSON.parse(`"${stored}"`) as string;
}

/**
 * A text that people read, such as a message or a label, without secret values. PostgreSQL takes no NUL in texts, and UTF-8 no half of a
 * surrogate pair; messages of pages and browsers may hold either. Values and records are data, and are stored as they are.
 */
export function toStorableText(text: string): string {
  return maskSecrets(text).replaceAll('\0', '\ufffd').toWellFormed();
}
