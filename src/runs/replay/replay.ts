/**
 * Checks that an entry of `run` did the same work as the entries before it. Finished steps return their stored value, so an action that
 * depends on something else than those values can leave out work, or do it twice, without an error.
 */
import type { Ledger, LedgerEntry } from './ledger.ts';
import { ReplayDivergedError } from '../errors.ts';
import { describeStep, startSentence } from '../steps/step-words.ts';

/** The first divergence of an entry of `run`. After a divergence nothing more of the entry is stored. */
export class Divergence {
  #error: ReplayDivergedError | undefined;

  get error(): ReplayDivergedError | undefined {
    return this.#error;
  }

  /** Notes a divergence, and returns the first one. */
  note(message: string, data: Readonly<Record<string, unknown>> = {}): ReplayDivergedError {
    this.#error ??= new ReplayDivergedError(message, { data });
    return this.#error;
  }

  throwIfDiverged(): void {
    if (this.#error !== undefined) throw this.#error;
  }
}

const MAX_WARNINGS = 10;
/** The maximum number of finished steps that are compared with new ones. If keys contain a time, the first steps show it. */
const MAX_COMPARED = 100;

/**
 * Compares what `run` asked for, when it has returned, with what was known before it was entered. Notes a divergence if work was lost.
 * Returns a warning for each finished step that `run` did not ask for, because that loses no data.
 */
export function checkReplay(ledger: Ledger, divergence: Divergence): string[] {
  const missing = [...ledger.entries()]
    .filter((entry) => isMissing(ledger, entry))
    .toSorted((a, b) => a.order - b.order);
  const lost = missing.find(({ isInterrupted, end }) => end === undefined && isInterrupted);
  if (lost !== undefined) divergence.note(describeLost(ledger, lost), { step: lost.id });
  const finished = missing.filter(({ end }) => end?.status === 'done');
  const renamed = finished.slice(0, MAX_COMPARED).flatMap((entry) => {
    const substitute = substituteOf(ledger, entry, (other) => differOnlyInVolatileParts(entry.id.key, other.id.key));
    return substitute === undefined ? [] : [{ entry, substitute }];
  })[0];
  if (renamed !== undefined)
    divergence.note(describeRenamed(renamed.entry, renamed.substitute), { step: renamed.entry.id });
  const saves = ledger.unaskedSaves.map(({ dataset, key }) => {
    const ofDataset = dataset === 'records' ? '' : ` of ${dataset}`;
    return `The record "${key}"${ofDataset} was saved by an earlier entry of \`run\`, outside of steps, and not by this one. It stays stored.`;
  });
  const unfinished = missing.filter(({ end }) => end === undefined);
  return limit([
    ...finished.map(
      ({ id }) =>
        `${startSentence(describeStep(id))} was finished, and \`run\` did not ask for it when it was entered again. Its records stay stored.`,
    ),
    ...saves,
    ...unfinished.map(
      ({ id }) =>
        `${startSentence(describeStep(id))} was planned, and \`run\` did not ask for it when it was entered again.`,
    ),
  ]);
}

/** Returns whether the step was known earlier, and this entry did the step around it, if any, and did not ask for it. */
function isMissing(ledger: Ledger, entry: LedgerEntry): boolean {
  if (!ledger.isOld(entry) || ledger.isAsked(entry)) return false;
  const around = entry.id.within === undefined ? undefined : ledger.get(entry.id.within);
  return around === undefined || ledger.isBegun(around);
}

function describeLost(ledger: Ledger, lost: LedgerEntry): string {
  const instead = substituteOf(ledger, lost, () => true);
  const reason =
    instead === undefined
      ? 'Does the choice of steps depend on a list or a page that is read outside of steps, or on a variable that a step changes?'
      : differOnlyInVolatileParts(lost.id.key, instead.id.key)
        ? 'Does the key contain a time or a random value? It must be the same each time that `run` is entered.'
        : 'Does the key, or the list that it comes from, depend on something that changes? Read the list in its own step.';
  return (
    `${startSentence(describeStep(lost.id))} was begun and not finished before the session died, and \`run\` did not ask for it again` +
    `${instead === undefined ? '' : `; it asked for ${describeStep(instead.id)} instead`}. ${reason}`
  );
}

function describeRenamed(finished: LedgerEntry, substitute: LedgerEntry): string {
  return (
    `${startSentence(describeStep(finished.id))} was finished, and \`run\` asked for ${describeStep(substitute.id)} instead when it was ` +
    'entered again. Does the key contain a time or a random value? It must be the same each time that `run` is entered.'
  );
}

/** Returns the first step with the same container and kind that only this entry of `run` has begun. */
function substituteOf(
  ledger: Ledger,
  { id }: LedgerEntry,
  isMeant: (other: LedgerEntry) => boolean,
): LedgerEntry | undefined {
  let first: LedgerEntry | undefined;
  for (const other of ledger.entries()) {
    const isSimilar = other.id.within === id.within && (other.id.batch === null) === (id.batch === null);
    if (ledger.isOld(other) || !isSimilar || !isMeant(other)) continue;
    if (first === undefined || other.order < first.order) first = other;
  }
  return first;
}

/** Matches times, long numbers, fractions, UUIDs and long hexadecimal numbers. */
const VOLATILE =
  /\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}|0\.\d{6,}|\d{10,}|[\da-f]{16,}/gi;

/** Returns whether two keys differ only in a time or a random value. */
export function differOnlyInVolatileParts(one: string, other: string): boolean {
  const plain = one.replace(VOLATILE, '\0');
  return one !== other && plain.includes('\0') && plain === other.replace(VOLATILE, '\0');
}

function limit(warnings: readonly string[]): string[] {
  const more = warnings.length - MAX_WARNINGS;
  return more > 0 ? [...warnings.slice(0, MAX_WARNINGS), `And ${more} more such steps.`] : [...warnings];
}
