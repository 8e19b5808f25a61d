/** Finds the warning about a call by the stack of the call. */
import { fileURLToPath } from 'node:url';

import type { Position, SourceWarning } from './source-warning.ts';

/** The library's own sources, whether run from `src` or from `dist`. */
const LIBRARY_FOLDER = fileURLToPath(new URL('..', import.meta.url));

/**
 * Returns the warning whose `call` is a frame of `stack`, the `stack` of an Error that was made in the library's `step` or `batch`.
 * Uses only the author's frames next to the library's, because further frames belong to a step around this one.
 */
export function findWarningOfCall(
  warnings: readonly SourceWarning[],
  stack: string | undefined,
): SourceWarning | undefined {
  const relevant = warnings.filter(({ call }) => call !== null);
  if (relevant.length === 0 || stack === undefined) return undefined;
  const files = new Set(relevant.flatMap(({ file, call }) => [file, call?.file ?? file]));
  let hasSeenAuthor = false;
  for (const line of stack.split('\n')) {
    const frame = parseFrame(line);
    if (frame === undefined) continue;
    const isLibrary = frame.file.startsWith(LIBRARY_FOLDER) && !files.has(frame.file);
    if (isLibrary && hasSeenAuthor) return undefined;
    hasSeenAuthor ||= files.has(frame.file);
    const onLine = relevant.filter(({ call }) => call?.file === frame.file && call.line === frame.line);
    const found =
      onLine.find(({ call }) => call?.column === frame.column) ?? onLine.find(({ call }) => call?.sharesLine !== true);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Parses `at name (file:///a/b.ts?entry=2:3:4)` or `at async /a/b.ts:3:4`. Returns undefined for frames without a file. */
function parseFrame(line: string): Position | undefined {
  const [, location, lineNumber, column] = /^\s+at (?:.*\()?(.+?):(\d+):(\d+)\)?$/.exec(line) ?? [];
  if (location === undefined) return undefined;
  const source = location.replace(/^async /, '');
  if (source.startsWith('node:')) return undefined;
  const file = source.startsWith('file:') ? toPath(source) : source.replace(/[?#].*$/, '');
  return file === undefined ? undefined : { file, line: Number(lineNumber), column: Number(column) };
}

function toPath(url: string): string | undefined {
  try {
    return fileURLToPath(url);
  } catch {
    return undefined;
  }
}
