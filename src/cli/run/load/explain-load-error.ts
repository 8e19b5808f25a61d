/** Explains why a module could not be loaded: turns Node's various errors into one message with the location and the way out. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { ActionError, ConfigError, stackOf, toError } from '../../../core/errors.ts';

const CHECK_LIMIT_MS = 5_000;

/** A location as `file:line:column`, with the source line and a mark under it. */
interface SourceLocation {
  readonly where: string;
  readonly excerpt: string;
}

export async function explainLoadError(
  thrown: unknown,
  { file, lastUrl }: { readonly file: string; readonly lastUrl: string | undefined },
): Promise<ConfigError> {
  const error = toError(thrown);
  const { code } = error as NodeJS.ErrnoException;
  const name = shortPath(file);
  const explain = (message: string) => new ConfigError(message, { cause: error });

  if (error instanceof ActionError)
    return explain(`${locationInStack(error, path.dirname(file)) ?? name}: ${error.message}`);
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
    return explain(describeMissingModule(error, name));
  if (!(error instanceof SyntaxError)) {
    const where = locationInStack(error, path.dirname(file));
    return explain(
      `${name} failed while it was loaded: ${error.name}: ${error.message}${where === undefined ? '' : ` (${where})`}`,
    );
  }

  const [, json, problem, row, column] = /^(.+\.json): (.+) \(line (\d+) column (\d+)\)$/.exec(error.message) ?? [];
  if (json !== undefined) return explain(`${shortPath(json)}:${row}:${column}: syntax error: ${problem}`);
  const found = locationInHead(stackOf(error)) ?? (await locationByCheck(lastUrl));
  const where = found?.where ?? name;
  const excerpt = found === undefined ? '' : `\n${found.excerpt}`;
  const missing = /does not provide an export named '(.+?)'/.exec(error.message)?.[1];
  if (missing !== undefined) {
    return explain(`${where}: ${error.message}. Correct the name; if it is a type, write \`import type\`.${excerpt}`);
  }
  const why =
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
      ? ' (Node runs TypeScript by leaving out its types; write this part in JavaScript)'
      : '';
  return explain(`${where}: syntax error: ${error.message}${why}${excerpt}`);
}

/** Returns the location of the first stack frame in a file below `folder`, as `file:line:column`. */
export function locationInStack(error: Error, folder: string): string | undefined {
  for (const line of stackOf(error).split('\n')) {
    const [, url, rest] = /(file:\/\/[^\s()]+?)(:\d+:\d+)\)?$/.exec(line) ?? [];
    if (url === undefined || url.includes('/node_modules/')) continue;
    const file = fileURLToPath(url);
    if (file.startsWith(folder + path.sep)) return `${shortPath(file)}${rest}`;
  }
  return undefined;
}

/** Returns the path relative to the working directory if the file is below it. */
export function shortPath(file: string): string {
  const relative = path.relative('', file);
  return relative.startsWith(`..${path.sep}`) || relative === '' ? file : relative;
}

function describeMissingModule(error: Error, name: string): string {
  const [, what = '', from] =
    /Cannot find (?:package|module) '(.+?)'(?: imported from (\S+))?/.exec(error.message) ?? [];
  const file = from?.startsWith('file:') === true ? fileURLToPath(from) : from;
  const importer = file === undefined ? name : shortPath(file) + lineOfImport(file, what);
  if (what === '') return `${name}: ${error.message}`;
  if (path.isAbsolute(what))
    return `${importer} imports ${shortPath(what)}, which does not exist. Correct the path; it needs the file's extension, such as ./names.ts.`;
  const advice = /^(zod|selenium-webdriver)$/.test(what)
    ? "Import the parts that an action needs (z, By, until, Key) from 'webdriver-supervisor'"
    : `Install it (npm install ${what}), or correct the name`;
  return `${importer} imports '${what}', which can't be found. ${advice}.`;
}

/** Returns `:line` of the first line with the import of `what`, a package or the path of a file. Empty: it is not found. */
function lineOfImport(file: string, what: string): string {
  const word = path.isAbsolute(what) ? `/${path.basename(what)}` : what;
  const lines = readFileSync(file, 'utf8').split('\n');
  const at = lines.findIndex((line) => ["'", '"', '`'].some((quote) => line.includes(word + quote)));
  return at < 0 ? '' : `:${at + 1}`;
}

/** The location that Node.js puts before the stack, if it can: `file:line`, the source with a mark, an empty line. */
function locationInHead(text: string): SourceLocation | undefined {
  const [head = '', ...lines] = text.split('\n');
  const [, location, line] = /^(.+):(\d+)$/.exec(head) ?? [];
  const marked = lines.findIndex((candidate) => /^\s*\^+\s*$/.test(candidate));
  const source = lines[marked - 1];
  const mark = lines[marked];
  if (location === undefined || source === undefined || mark === undefined) return undefined;
  const file = location.startsWith('file:') ? fileURLToPath(location) : location;
  const indent = Math.min(source.search(/\S|$/), mark.indexOf('^'));
  return {
    where: `${shortPath(file)}:${line}:${mark.indexOf('^') + 1}`,
    excerpt: `    ${source.slice(indent)}\n    ${mark.slice(indent).trimEnd()}`,
  };
}

/** Finds a syntax error in a module: the loader does not report its location, `node --check` does. Removing types moves no location. */
async function locationByCheck(url: string | undefined): Promise<SourceLocation | undefined> {
  if (url?.startsWith('file:') !== true) return undefined;
  const file = fileURLToPath(url);
  const text = await readFile(file, 'utf8');
  const source = /\.[cm]?ts$/.test(file) ? stripTypeScriptTypes(text) : text;
  const { promise, resolve } = Promise.withResolvers<string>();
  const check = execFile(
    process.execPath,
    ['--check', '--input-type=module', '-'],
    { timeout: CHECK_LIMIT_MS },
    (_error, _stdout, stderr) => resolve(stderr),
  );
  check.stdin?.on('error', () => undefined).end(source);
  return locationInHead((await promise).replace(/^\[stdin\](?=:\d+\n)/, () => file));
}
