/** The names of the files of datasets. */

/** In letters, which take up to 4 bytes each; file systems allow 255 bytes. */
const LONGEST_NAME = 60;

/** A name without what file systems take amiss, and short enough for them whatever its letters. */
export function toFileName(name: string): string {
  const usable = name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+|[.-]+$/g, '');
  return Array.from(usable).slice(0, LONGEST_NAME).join('') || 'unnamed';
}

/** Gives names that differ also if the file system takes upper and lower case, or forms of Unicode, as the same. */
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

/** Upper case first: it has one form for the `ß` and `ss`, `ſ` and `s` that lower case keeps apart. */
function fold(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}
