/** Why a module could not be loaded: Node's many ways to say it, as one message with the place and the way out. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { ActionError, ConfigError, toError } from '../core/errors.ts';

const CHECK_LIMIT_MS = 5_000;

/** Where, as `file:line:column`, with the line and a mark under it. */
interface Place {
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

  if (error instanceof ActionError) return explain(`${name}: ${error.message}`);
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
    return explain(describeMissingModule(error, name));
  if (!(error instanceof SyntaxError)) {
    const where = placeInStack(error, path.dirname(file));
    return explain(
      `${name} failed while it was loaded: ${error.name}: ${error.message}${where === undefined ? '' : ` (${where})`}`,
    );
  }

  const place = placeInHead(error.stack ?? '') ?? (await placeByCheck(lastUrl));
  const where = place?.where ?? name;
  const excerpt = place === undefined ? '' : `\n${place.excerpt}`;
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

/** The first line of the stack below `folder`, as `file:line:column`. */
export function placeInStack(error: Error, folder: string): string | undefined {
  for (const line of (error.stack ?? '').split('\n')) {
    const [, url, rest] = /(file:\/\/[^\s()]+?)(:\d+:\d+)\)?$/.exec(line) ?? [];
    if (url === undefined || url.includes('/node_modules/')) continue;
    const file = fileURLToPath(url);
    if (file.startsWith(folder + path.sep)) return `${shortPath(file)}${rest}`;
  }
  return undefined;
}

/** Relative to the working directory where that is shorter. */
export function shortPath(file: string): string {
  const relative = path.relative('', file);
  return relative.startsWith(`..${path.sep}`) || relative === '' ? file : relative;
}

function describeMissingModule(error: Error, name: string): string {
  const [, what = '', from] =
    /Cannot find (?:package|module) '(.+?)'(?: imported from (\S+))?/.exec(error.message) ?? [];
  const importer = from === undefined ? name : shortPath(from.startsWith('file:') ? fileURLToPath(from) : from);
  if (what === '') return `${name}: ${error.message}`;
  if (path.isAbsolute(what))
    return `${importer} imports ${shortPath(what)}, which does not exist. Correct the path; it needs its ending, such as ./names.ts.`;
  const advice = /^(zod|selenium-webdriver)$/.test(what)
    ? "What an action needs of it (z, By, until, Key) is exported by 'webdriver-supervisor'"
    : `Install it (npm install ${what}), or correct the name`;
  return `${importer} imports '${what}', which can't be found. ${advice}.`;
}

/** Node puts the place before the stack where it knows it: `file:line`, the source with a mark, an empty line. */
function placeInHead(text: string): Place | undefined {
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

/** For a syntax error in a module, the loader doesn't tell the place; `node --check` does. Only the types may be gone from the source. */
async function placeByCheck(url: string | undefined): Promise<Place | undefined> {
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
  return placeInHead((await promise).replace(/^\[stdin\](?=:\d+\n)/, () => file));
}
