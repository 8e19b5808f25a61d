/**
 * Several instances of the same modules, one per entry of an action's `run`. Node has one instance per URL, so the later ones have a query
 * (`?entry=2`), which their imports of local files inherit. Stack traces don't show it.
 */
import { createRequire, stripTypeScriptTypes, type LoadFnOutput, type ResolveFnOutput } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PARAMETER = 'entry';
/** The folder of the library's own modules, `src` or `dist`. Only one instance of them exists. */
const LIBRARY_FOLDER = fileURLToPath(new URL('../../..', import.meta.url));
/** The folder of the bundled actions, which are treated like the code of any author. */
const ACTIONS_FOLDER = path.join(LIBRARY_FOLDER, 'actions') + path.sep;

const { cache } = createRequire(import.meta.url);

/** Returns the URL of a file for the n-th entry, counted from 1. */
export function entryUrl(file: string, entry: number): string {
  const url = pathToFileURL(file);
  if (entry > 1) url.searchParams.set(PARAMETER, String(entry));
  return url.href;
}

export function isOfLaterEntry(url: string): boolean {
  return entryOf(url) !== null;
}

/** Returns the local files that a module of a later entry imports as modules of the same entry. */
export function toEntryOf(parentUrl: string | undefined, resolved: ResolveFnOutput): ResolveFnOutput {
  const entry = parentUrl === undefined ? null : entryOf(parentUrl);
  if (entry === null || !isLocalFile(resolved.url) || isOfLaterEntry(resolved.url)) return resolved;
  const url = new URL(resolved.url);
  // Node caches CommonJS modules by their paths, not by their URLs.
  if (resolved.format?.startsWith('commonjs') === true) delete cache[fileURLToPath(url)];
  url.searchParams.set(PARAMETER, entry);
  return { ...resolved, url: url.href };
}

/** Returns the module with the name of its first entry, for stack traces. */
export function withPlainName(loaded: LoadFnOutput, url: string): LoadFnOutput {
  const { format, source } = loaded;
  if (source === undefined || source === null || (format !== 'module' && format !== 'module-typescript')) return loaded;
  const text = typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString();
  const plain = new URL(url);
  plain.searchParams.delete(PARAMETER);
  try {
    const script = format === 'module' ? text : stripTypeScriptTypes(text);
    return { ...loaded, format: 'module', source: `${script}\n//# sourceURL=${plain.href}` };
  } catch {
    // Node itself reports the error together with its location.
    return loaded;
  }
}

function entryOf(url: string): string | null {
  return url.startsWith('file:') ? new URL(url).searchParams.get(PARAMETER) : null;
}

function isLocalFile(url: string): boolean {
  if (!url.startsWith('file:')) return false;
  const file = fileURLToPath(url);
  if (file.includes(`${path.sep}node_modules${path.sep}`)) return false;
  return !file.startsWith(LIBRARY_FOLDER) || file.startsWith(ACTIONS_FOLDER);
}
