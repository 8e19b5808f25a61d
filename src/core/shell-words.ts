/** Words of a command line, as a user types them. */

/** Returns `text` as one word of a POSIX shell. */
export function quoteForShell(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Returns a parameter's name as a flag: `maxPages` -> `max-pages`. */
export function toFlag(parameter: string): string {
  return parameter
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replaceAll('_', '-')
    .toLowerCase();
}
