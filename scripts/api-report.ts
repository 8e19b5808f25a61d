/**
 * Writes the public types of the package to a file, so that a change of them shows in a diff: for each entry point the names that it
 * exports, then each declaration that these reach, in the order of their names. Comments do not count.
 * Usage: npm run api-report
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const REPORT_FILE = 'test/package/api-report.txt';
const ENTRY_POINTS = ['index', 'testing', 'mocha'];

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** A name in a module. `name` is `*` for a whole module. */
interface Reference {
  readonly module: string;
  readonly name: string;
}

interface Module {
  /** The declarations by their names. An overloaded function, or a type and a value with the same name, have several. */
  readonly declarations: ReadonlyMap<string, readonly Declaration[]>;
  readonly imports: ReadonlyMap<string, Reference>;
  readonly exports: ReadonlyMap<string, Reference>;
}

interface Declaration {
  readonly text: string;
  readonly names: ReadonlySet<string>;
  readonly references: readonly Reference[];
}

/** Returns the report of the sources as they are now. */
export function makeApiReport(): string {
  const folder = mkdtempSync(join(tmpdir(), 'api-report-'));
  try {
    const words = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', folder];
    const { status, stdout } = spawnSync('node_modules/.bin/tsc', words, { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) throw new Error(`The declarations could not be made:\n${stdout}`);
    return describeTypes(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function describeTypes(folder: string): string {
  const modules = new Map<string, Module>();
  const load = (path: string): Module => {
    const module = modules.get(path) ?? parseModule(path, readFileSync(join(folder, `${path}.d.ts`), 'utf8'));
    modules.set(path, module);
    return module;
  };
  /** Follows imports and re-exports to the module that declares the name; undefined if a package does. */
  const resolve = ({ module: path, name }: Reference): Reference | undefined => {
    if (path.startsWith('package:')) return undefined;
    const { declarations, imports, exports } = load(path);
    if (declarations.has(name)) return { module: path, name };
    const next = exports.get(name) ?? imports.get(name);
    if (next === undefined) throw new Error(`${path}.d.ts neither declares nor imports ${name}.`);
    return resolve(next);
  };

  const found = new Map<string, Map<string, string>>();
  const visit = (reference: Reference): void => {
    const target = resolve(reference);
    if (target === undefined || found.get(target.module)?.has(target.name) === true) return;
    const { declarations, imports } = load(target.module);
    const parts = declarations.get(target.name) ?? [];
    const texts = found.get(target.module) ?? new Map<string, string>();
    found.set(target.module, texts.set(target.name, parts.map(({ text }) => text).join('\n')));
    for (const { names, references } of parts) {
      for (const name of names) if (declarations.has(name) || imports.has(name)) visit({ module: target.module, name });
      for (const one of references) visit(one);
    }
  };

  const entries = ENTRY_POINTS.map((path) => {
    const names = [...load(path).exports.keys()].sort();
    for (const name of names) visit({ module: path, name });
    return `${path === 'index' ? 'webdriver-supervisor' : `webdriver-supervisor/${path}`} exports\n${names.map((name) => `  ${name}\n`).join('')}`;
  });
  // Without the modules, so that a declaration may move.
  const declared = [...found.values()].flatMap((texts) => [...texts]).sort(byName);
  return [...entries, ...declared.map(([, text]) => `${text}\n`)].join('\n');
}

function byName([a, textA]: readonly [string, string], [b, textB]: readonly [string, string]): number {
  return a < b || (a === b && textA < textB) ? -1 : 1;
}

function parseModule(path: string, text: string): Module {
  const { program, comments, errors } = parseSync(`${path}.d.ts`, text);
  if (errors[0] !== undefined) throw new Error(`${path}.d.ts: ${errors[0].message}`);
  const toModule = (specifier: string) =>
    specifier.startsWith('.')
      ? posix.join(posix.dirname(path), specifier.replace(/\.[jt]s$/, ''))
      : `package:${specifier}`;
  const declarations = new Map<string, Declaration[]>();
  const imports = new Map<string, Reference>();
  const exports = new Map<string, Reference>();

  const declare = (statement: Node, isExported: boolean): void => {
    const { names, references } = namesIn(statement, toModule);
    const declaration = { text: withoutComments(text, statement, comments), names, references };
    for (const name of namesOf(statement)) {
      declarations.set(name, [...(declarations.get(name) ?? []), declaration]);
      if (isExported) exports.set(name, { module: path, name });
    }
  };
  for (const statement of program.body as unknown as Node[]) {
    const source = (statement['source'] as { readonly value: string } | null | undefined)?.value;
    const from = source === undefined ? path : toModule(source);
    if (statement.type === 'ImportDeclaration') {
      for (const { local, imported } of statement['specifiers'] as Record<string, { readonly name: string }>[])
        if (local !== undefined) imports.set(local.name, { module: from, name: imported?.name ?? '*' });
    } else if (statement.type === 'ExportNamedDeclaration' && statement['declaration'] !== null) {
      declare(statement['declaration'] as Node, true);
    } else if (statement.type === 'ExportNamedDeclaration') {
      for (const { local, exported } of statement['specifiers'] as Record<string, { readonly name: string }>[])
        if (local !== undefined && exported !== undefined)
          exports.set(exported.name, { module: from, name: local.name });
    } else if (statement.type.startsWith('Export')) {
      throw new Error(`${path}.d.ts: the report does not know ${statement.type}.`);
    } else declare(statement, false);
  }
  return { declarations, imports, exports };
}

/** The names that a statement declares. */
function namesOf(statement: Node): string[] {
  const declared = (statement['declarations'] as Node[] | undefined) ?? [statement];
  return declared
    .map((one) => (one['id'] as { readonly name?: string } | null)?.name)
    .filter((name) => name !== undefined);
}

/** The names that a declaration uses, keys of members and names of parameters excluded. */
function namesIn(
  declaration: Node,
  toModule: (specifier: string) => string,
): { readonly names: ReadonlySet<string>; readonly references: readonly Reference[] } {
  const names = new Set<string>();
  const references: Reference[] = [];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) walk(one);
    if (typeof value !== 'object' || value === null || !('type' in value)) return;
    const node = value as Node;
    if (node.type === 'TSImportType') {
      const { value: specifier } = node['source'] as { readonly value: string };
      const qualifier = node['qualifier'] as { readonly name?: string } | null;
      references.push({ module: toModule(specifier), name: qualifier?.name ?? '*' });
    }
    if (node.type === 'Identifier' && !node['typeAnnotation']) names.add(node['name'] as string);
    for (const [key, child] of Object.entries(node)) if (key !== 'key' || node['computed'] === true) walk(child);
  };
  walk(declaration);
  return { names, references };
}

function withoutComments(
  text: string,
  { start, end }: Node,
  comments: readonly { readonly start: number; readonly end: number }[],
): string {
  let from = start;
  let bare = '';
  for (const comment of comments.filter((one) => one.start >= start && one.end <= end)) {
    bare += text.slice(from, comment.start);
    from = comment.end;
  }
  return (bare + text.slice(from, end)).replace(/^[ \t]*\n/gm, '').replaceAll('    ', '  ');
}

if (import.meta.main) writeFileSync(join(ROOT, REPORT_FILE), makeApiReport());
