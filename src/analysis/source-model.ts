/**
 * An action's file and the local files that it imports as one program: which variable a name means, and which function is called.
 * Everything here is approximate in one direction: what can't be resolved is undefined, and no rule warns because of it.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { findBindings, type Binding, type Path, type Scopes } from './bindings.ts';
import {
  fileOf,
  isClass,
  isFunction,
  type AnyNode,
  type CallExpression,
  type ClassNode,
  type FunctionNode,
  type Identifier,
} from './ast.ts';
import { readSourceFile, type SourceFile } from './source-file.ts';

/** An action that imports more local files than this is checked without the rest of them. */
const MAX_FILES = 50;
/** The library's own sources, whether run from `src` or from `dist`. */
const LIBRARY_FOLDER = fileURLToPath(new URL('..', import.meta.url));

export class SourceModel {
  readonly files: readonly SourceFile[];
  readonly calls: readonly CallExpression[];
  readonly bindings: readonly Binding[];
  readonly #scopes = new Map<AnyNode, ReadonlyMap<string, Binding>>();
  readonly #byFile: ReadonlyMap<string, SourceFile>;
  readonly #bindingOf = new Map<Identifier, Binding>();

  /** Returns undefined if `file` can't be parsed. */
  static async load(file: string): Promise<SourceModel | undefined> {
    const files = new Map<string, SourceFile>();
    const queue = [path.resolve(file)];
    for (const next of queue) {
      if (files.has(next) || files.size >= MAX_FILES) continue;
      const source = await readSourceFile(next);
      if (source === undefined) continue;
      files.set(next, source);
      queue.push(...localImports(source));
    }
    return files.has(path.resolve(file)) ? new SourceModel([...files.values()]) : undefined;
  }

  private constructor(files: readonly SourceFile[]) {
    this.files = files;
    this.#byFile = new Map(files.map((source) => [source.file, source]));
    for (const source of files) for (const [node, names] of findBindings(source)) this.#scopes.set(node, names);
    this.calls = files.flatMap(({ nodes }) => nodes.filter((node) => node.type === 'CallExpression'));
    this.bindings = [...this.#scopes.values()].flatMap((names) => [...names.values()]);
    const declarations = new Set(this.bindings.map(({ declaration }) => declaration));
    for (const identifier of files.flatMap(({ identifiers }) => identifiers)) {
      const binding = this.#resolve(identifier);
      if (binding === undefined) continue;
      this.#bindingOf.set(identifier, binding);
      if (!declarations.has(identifier)) binding.references.push(identifier);
    }
  }

  /** The variable that a name means, in the file that declares it; undefined for a global name. */
  bindingOf(identifier: Identifier): Binding | undefined {
    return this.#bindingOf.get(identifier);
  }

  parentOf(node: AnyNode): AnyNode | undefined {
    return this.#byFile.get(fileOf(node))?.parents.get(node);
  }

  /** The nodes around `node`, the nearest first. */
  *ancestors(node: AnyNode): Generator<AnyNode> {
    for (let next = this.parentOf(node); next !== undefined; next = this.parentOf(next)) yield next;
  }

  functionAround(node: AnyNode): FunctionNode | undefined {
    for (const ancestor of this.ancestors(node)) if (isFunction(ancestor)) return ancestor;
    return undefined;
  }

  /** The class whose instance `this` is at `node`; undefined if `this` is anything else. */
  classAround(node: AnyNode): ClassNode | undefined {
    for (const ancestor of this.ancestors(node)) {
      if (isClass(ancestor)) return ancestor;
      const isPlain = ancestor.type === 'FunctionExpression' || ancestor.type === 'FunctionDeclaration';
      if (isPlain && this.parentOf(ancestor)?.type !== 'MethodDefinition') return undefined;
    }
    return undefined;
  }

  /** Nodes within `root`, without those in `skip` and what they contain. */
  nodesWithin(root: AnyNode, skip: (node: AnyNode) => boolean = () => false): AnyNode[] {
    const source = this.#byFile.get(fileOf(root));
    const inside = source?.nodes.filter((node) => node.start >= root.start && node.end <= root.end) ?? [];
    const skipped = inside.filter((node) => node !== root && skip(node));
    return inside.filter((node) => !skipped.some((outer) => node.start >= outer.start && node.end <= outer.end));
  }

  /** The variable that another module gets when it imports `name` of `file`. */
  exportOf(file: string, name: string): Binding | AnyNode | undefined {
    const program = this.#byFile.get(file)?.program;
    for (const statement of program?.body ?? []) {
      if (statement.type === 'ExportDefaultDeclaration' && name === 'default') {
        const { declaration } = statement;
        return declaration.type === 'Identifier' ? this.#topLevel(file, declaration.name) : declaration;
      }
      if (statement.type !== 'ExportNamedDeclaration') continue;
      const specifier = statement.specifiers.find(({ exported }) => nameOf(exported) === name);
      if (specifier !== undefined) {
        const local = nameOf(specifier.local);
        if (!statement.source) return this.#topLevel(file, local);
        const from = resolveImport(String(statement.source.value), file);
        return from === undefined ? undefined : this.exportOf(from, local);
      }
      const found = this.#topLevel(file, name);
      if (statement.declaration && found !== undefined && isInside(found.declaration, statement.declaration))
        return found;
    }
    return undefined;
  }

  #topLevel(file: string, name: string): Binding | undefined {
    const program = this.#byFile.get(file)?.program;
    return program === undefined ? undefined : this.#scopes.get(program)?.get(name);
  }

  #resolve(identifier: Identifier): Binding | undefined {
    const { name } = identifier;
    const found = this.#lookUp(identifier, name);
    if (found?.origin.from !== 'import') return found;
    const file = resolveImport(found.origin.source, fileOf(identifier));
    const target = file === undefined ? undefined : this.exportOf(file, found.origin.name);
    return target !== undefined && 'references' in target ? target : found;
  }

  #lookUp(identifier: Identifier, name: string): Binding | undefined {
    for (const scope of this.ancestors(identifier)) {
      const binding = this.#scopes.get(scope)?.get(name);
      if (binding !== undefined) return binding;
    }
    return undefined;
  }
}

export type { Binding, Path, Scopes };

function isInside(inner: AnyNode, outer: AnyNode): boolean {
  return inner.start >= outer.start && inner.end <= outer.end;
}

function nameOf(node: AnyNode): string {
  return node.type === 'Identifier' ? node.name : node.type === 'Literal' ? String(node.value) : '';
}

function localImports({ file, program }: SourceFile): string[] {
  const sources = program.body.flatMap((statement) =>
    'source' in statement && statement.source ? [String(statement.source.value)] : [],
  );
  return sources.flatMap((source) => resolveImport(source, file) ?? []);
}

/** The path of a local module; undefined for packages and for the library itself. */
export function resolveImport(source: string, from: string): string | undefined {
  if (!/^\.{1,2}\//.test(source)) return undefined;
  const file = path.resolve(path.dirname(from), source.replace(/[?#].*$/, ''));
  const isOwn = file.startsWith(LIBRARY_FOLDER) && !file.startsWith(path.join(LIBRARY_FOLDER, 'actions') + path.sep);
  return isOwn || file.includes(`${path.sep}node_modules${path.sep}`) || !existsSync(file) ? undefined : file;
}
