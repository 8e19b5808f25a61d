/** Names of files and folders from names that users chose. */

/** A letter takes up to 4 bytes; file systems allow 255 bytes. */
const MAX_NAME_LETTERS = 60;

/** Returns a name without characters that file systems refuse, and short enough for them. */
export function toFileName(name: string): string {
  const usable = name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+|[.-]+$/g, '');
  return Array.from(usable).slice(0, MAX_NAME_LETTERS).join('') || 'unnamed';
}

/** Assigns names that are different also on a file system that ignores case or forms of Unicode. */
export class FileNames {
  readonly #taken = new Set<string>();

  nameOf(dataset: string): string {
    const wanted = toFileName(dataset);
    let name = wanted;
    for (let number = 2; this.#taken.has(fold(name)); number += 1) name = `${wanted}-${number}`;
    this.#taken.add(fold(name));
    return name;
  }
}

/** Folds case and form. Upper case comes first, because it has one form for `ß` and `ss`, and for `ſ` and `s`; lower case has two. */
function fold(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}
