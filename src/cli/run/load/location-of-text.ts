import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

import { shortPath } from './explain-load-error.ts';

/**
 * Returns where the text of a function, as its `toString` returns it, begins in `file`, as `file:line:column`. Undefined: the function
 * comes from another file.
 */
export function locationOfText(code: string, file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    // Node replaces types by spaces, so locations do not move. The text of a function has no types.
    const source = /\.[cm]?ts$/.test(file) ? stripTypeScriptTypes(text) : text;
    const offset = source.indexOf(code);
    if (offset < 0) return undefined;
    const before = source.slice(0, offset).split('\n');
    return `${shortPath(file)}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
  } catch {
    // The file changed or was removed after it was loaded.
    return undefined;
  }
}
