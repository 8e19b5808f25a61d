/** Suggestions for misspelled words. */
import { distance } from 'fastest-levenshtein';

/** The maximum number of wrong letters. Two swapped letters count as two. */
const maxEdits = ({ length }: string) => (length < 3 ? 1 : length < 8 ? 2 : 3);

/** Returns the word of `known` that is closest to `typed`; undefined if none is close enough. */
function closest(typed: string, known: readonly string[]): string | undefined {
  const word = typed.toLowerCase();
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(word, candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  if (best === undefined) return undefined;
  if (best.edits <= maxEdits(word)) return best.candidate;
  // The beginning of a word counts as a typing error, such as `gather` for `gather-catalog`.
  return word.length >= 3 ? known.find((candidate) => candidate.startsWith(word)) : undefined;
}

/** Returns ` Did you mean x?`, or an empty text. */
export function didYouMean(typed: string, known: readonly string[], show = (word: string) => word): string {
  const best = closest(typed, known);
  return best === undefined ? '' : ` Did you mean ${show(best)}?`;
}
