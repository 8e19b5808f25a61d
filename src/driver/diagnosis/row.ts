/** The shape of a row of the table of reasons, and the words that rows share. */
import type { DeathReason, Diagnosis } from '../../model/death.ts';
import { redactText } from '../../core/redact.ts';
import type { Facts, Usage } from './facts.ts';

export interface Row {
  readonly reason: DeathReason;
  readonly confidence: Diagnosis['confidence'];
  readonly when: (facts: Facts) => boolean;
  /** Phrases without a full stop, with figures; the most important first. Undefined ones are left out. */
  readonly evidence: (facts: Facts) => readonly (string | undefined)[];
  /** A sentence without its full stop: what to type, to set or to look at. */
  readonly advice: (facts: Facts) => string;
}

const MB = 2 ** 20;
const GB = 2 ** 30;
const MAX_LINE_LENGTH = 200;

/** `64 KB`, `260 MB`, `1.9 GB`. */
export function bytes(number: number): string {
  if (number < MB) return `${Math.floor(number / 1024)} KB`;
  return number < GB ? `${Math.round(number / MB)} MB` : `${(number / GB).toFixed(1)} GB`;
}

/** `1.9 GB of 2.0 GB`. */
export function bytesOf({ used, limit }: Usage): string {
  return `${bytes(used)} of ${bytes(limit)}`;
}

/** Returns the last line of the output that matches, without Chromium's prefix and without secrets. */
function lastLine({ output }: Facts, pattern: RegExp): string | undefined {
  const line = output.split('\n').findLast((one) => pattern.test(one));
  // Chromium's prefix: `[pid:thread:month+day/time:LEVEL:`.
  return line && redactText(line.replace(/^\[[\d:/.]+:(?=[A-Z]+:)/, '[').trim()).slice(0, MAX_LINE_LENGTH);
}

/** Returns evidence about a line of the output; undefined if no line matches. */
export function quote(facts: Facts, pattern: RegExp): string | undefined {
  const line = lastLine(facts, pattern);
  return line && `its output says: ${line}`;
}
