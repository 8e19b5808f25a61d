/** Suggestions for misspelled words. */
import { distance } from 'fastest-levenshtein';

/** The maximum number of wrong letters. Two swapped letters count as two. */
const maxEdits = ({ length }: string) => (length < 3 ? 1 : length < 8 ? 2 : 3);

/** Returns the word of `known` that is closest to `typed`; undefined if none is close enough. */
function closest(typed: string, known: readonly string[]): string | undefined {
  const word = typed.toLowerCase();
  // Another ending of the same word, such as `retry` for `retries`, counts as closer than other letters.
  const related = known.filter((candidate) => candidate.toLowerCase().startsWith(word.slice(0, -1)));
  if (word.length > 4 && related.length === 1) return related[0];
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(word, candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  if (best === undefined) return undefined;
  if (best.edits <= maxEdits(word)) return best.candidate;
  // The beginning of a word counts as a typing error, such as `gather` for `gather-catalog`.
  return word.length >= 3 ? known.find((candidate) => candidate.startsWith(word)) : undefined;
}

/** Returns ` Did you mean x and y?` for the unknown words, or if nothing is close enough ` The known ones are: …`. */
export function suggestKnown(unknown: readonly string[], known: readonly string[]): string {
  const meant = unknown.map((word) => closest(word, known)).filter((word) => word !== undefined);
  return meant.length === unknown.length
    ? ` Did you mean ${meant.join(' and ')}?`
    : ` The known ones are: ${known.join(', ')}.`;
}

/** Returns ` Did you mean x?`, or an empty text. */
export function didYouMean(typed: string, known: readonly string[], show = (word: string) => word): string {
  const best = closest(typed, known);
  return best === undefined ? '' : ` Did you mean ${show(best)}?`;
}

/** Shorter names are too close to names of other programs. */
const MIN_NAME_LENGTH = 8;

/** Returns a sentence for each name that is one or two letters away from a name of `known`, as `HEARTBEAT_INTERVAL_SECOND` is. */
export function findMisspelled(names: readonly string[], known: readonly string[]): string[] {
  const candidates = known.filter(({ length }) => length >= MIN_NAME_LENGTH);
  return names
    .filter((name) => name.length >= MIN_NAME_LENGTH && !known.includes(name))
    .flatMap((name) => {
      const meant = candidates.find((candidate) => distance(name, candidate) <= (candidate.length < 12 ? 1 : 2));
      return meant === undefined ? [] : [`The environment variable ${name} is not a setting. Did you mean ${meant}?`];
    });
}
