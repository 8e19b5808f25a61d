/** The names of the files of datasets. */

/** In letters, which take up to 4 bytes each; file systems allow 255 bytes. */
const LONGEST_NAME = 60;

/** A name without what file systems take amiss, and short enough for them whatever its letters. */
export function toFileName(name: string): string {
  const usable = name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+|[.-]+$/g, '');
  return Array.from(usable).slice(0, LONGEST_NAME).join('') || 'unnamed';
}

/** Gives names that differ also if the file system takes upper and lower case as the same. */
export class FileNames {
  readonly #taken = new Set<string>();

  nameOf(dataset: string): string {
    const wanted = toFileName(dataset);
    let name = wanted;
    for (let number = 2; this.#taken.has(name.toLowerCase()); number += 1) name = `${wanted}-${number}`;
    this.#taken.add(name.toLowerCase());
    return name;
  }
}
