/** The location of a call in the user's code. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package's own code, with a trailing separator. */
const OWN_FOLDER = fileURLToPath(new URL('..', import.meta.url));

/**
 * Returns the location of the first stack line that belongs neither to this package nor to Node, as `file:line:column`; undefined if there
 * is none.
 */
export function callSiteOf(stack: string | undefined): string | undefined {
  for (const line of (stack ?? '').split('\n').slice(1)) {
    const [, url = '', position = ''] = /(file:\/\/[^\s()]+?)(:\d+:\d+)\)?$/.exec(line) ?? [];
    if (url === '' || url.includes('/node_modules/')) continue;
    const file = fileURLToPath(url);
    if (file.startsWith(OWN_FOLDER)) continue;
    const relative = path.relative('', file);
    return `${relative.startsWith('..') ? file : relative}${position}`;
  }
  return undefined;
}
