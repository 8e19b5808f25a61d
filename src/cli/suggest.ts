/** "Did you mean …?" */
import { distance } from 'fastest-levenshtein';

/** So many letters may be wrong; two letters that changed places are two. */
const mostEdits = ({ length }: string) => (length < 3 ? 1 : length < 8 ? 2 : 3);

/** The word of `known` that `typed` was most likely meant to be; undefined where none is near. */
export function closest(typed: string, known: readonly string[]): string | undefined {
  const word = typed.toLowerCase();
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(word, candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  if (best === undefined) return undefined;
  if (best.edits <= mostEdits(word)) return best.candidate;
  // A beginning is as good as a typing error: `gather` for `gather-catalog`.
  return word.length >= 3 ? known.find((candidate) => candidate.startsWith(word)) : undefined;
}

/** ` Did you mean x?`, or nothing. */
export function didYouMean(typed: string, known: readonly string[], show = (word: string) => word): string {
  const best = closest(typed, known);
  return best === undefined ? '' : ` Did you mean ${show(best)}?`;
}
