/**
 * An action's file and the local files that it imports, as one program: finds the variable that a name refers to. All results are
 * approximate in one direction: a name that can't be resolved is undefined, and no rule warns because of it.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { ExportDefaultDeclaration } from 'acorn';

import { findBindings, type Binding, type Origin } from './bindings.ts';
import {
  fileOf,
  isClass,
  isFunction,
  isWithin,
  propertyName,
  type AnyNode,
  type CallExpression,
  type ClassNode,
  type FunctionNode,
  type Identifier,
} from './ast.ts';
import { readSourceFile, type SourceFile } from './source-file.ts';

/** The maximum number of files. An action that imports more local files is checked without the others. */
const MAX_FILES = 50;
/** The library's own sources, whether run from `src` or from `dist`. */
const LIBRARY_FOLDER = fileURLToPath(new URL('..', import.meta.url));

export class SourceModel {
  readonly files: readonly SourceFile[];
  readonly calls: readonly CallExpression[];
  readonly bindings: readonly Binding[];
  readonly #scopes = new Map<AnyNode, ReadonlyMap<string, Binding>>();
  readonly #byFile: ReadonlyMap<string, SourceFile>;
  readonly #bindingOf = new Map<AnyNode, Binding>();
  /** The positions of the nodes in the lists of their files. */
  readonly #indexes = new Map<AnyNode, number>();
  /** Expression of `export default …` -> the variable that represents it. */
  readonly #defaults = new Map<AnyNode, Binding>();

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
    const declarations = new Set<AnyNode>(this.bindings.map(({ declaration }) => declaration));
    for (const identifier of files.flatMap(({ identifiers }) => identifiers)) {
      const binding = this.#resolve(identifier);
      if (binding === undefined) continue;
      this.#bindingOf.set(identifier, binding);
      if (declarations.has(identifier)) continue;
      binding.references.push(identifier);
      this.#resolveMember(identifier, binding);
    }
  }

  /** The variable that a name or `state.rows` refers to, in the file that declares it; undefined for a global name. */
  bindingOf(node: AnyNode): Binding | undefined {
    return this.#bindingOf.get(node);
  }

  parentOf(node: AnyNode): AnyNode | undefined {
    return this.#byFile.get(fileOf(node))?.parents.get(node);
  }

  /** The nodes around `node`, nearest first. */
  *ancestors(node: AnyNode): Generator<AnyNode> {
    for (let next = this.parentOf(node); next !== undefined; next = this.parentOf(next)) yield next;
  }

  functionAround(node: AnyNode): FunctionNode | undefined {
    for (const ancestor of this.ancestors(node)) if (isFunction(ancestor)) return ancestor;
    return undefined;
  }

  /** The class whose instance `this` is at `node`; undefined if `this` is another value. */
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
    const nodes = this.#byFile.get(fileOf(root))?.nodes ?? [];
    const found: AnyNode[] = [];
    let skipped: AnyNode | undefined;
    // The nodes within a node come directly before it.
    for (let index = this.#indexOf(root); index >= 0; index -= 1) {
      const node = nodes[index];
      if (node === undefined || !isWithin(node, root)) break;
      if (skipped !== undefined && isWithin(node, skipped)) continue;
      if (node !== root && skip(node)) skipped = node;
      else found.push(node);
    }
    return found.reverse();
  }

  #indexOf(node: AnyNode): number {
    if (this.#indexes.size === 0)
      for (const { nodes } of this.files) for (const [index, one] of nodes.entries()) this.#indexes.set(one, index);
    return this.#indexes.get(node) ?? -1;
  }

  /** The variable that another module gets when it imports `name` of `file`. */
  exportOf(file: string, name: string, seen: ReadonlySet<string> = new Set()): Binding | undefined {
    if (seen.has(file)) return undefined;
    const inFile = (source: AnyNode, exported: string) => {
      const from = source.type === 'Literal' ? resolveImport(String(source.value), file) : undefined;
      return from === undefined ? undefined : this.exportOf(from, exported, new Set([...seen, file]));
    };
    const statements = this.#byFile.get(file)?.program.body ?? [];
    for (const statement of statements) {
      if (statement.type === 'ExportDefaultDeclaration' && name === 'default') {
        const { declaration } = statement;
        return declaration.type === 'Identifier' ? this.#imported(file, declaration.name) : this.#default(statement);
      }
      if (statement.type !== 'ExportNamedDeclaration') continue;
      const specifier = statement.specifiers.find(({ exported }) => nameOf(exported) === name);
      if (specifier !== undefined) {
        const local = nameOf(specifier.local);
        return statement.source ? inFile(statement.source, local) : this.#imported(file, local);
      }
      const found = this.#topLevel(file, name);
      if (statement.declaration && found !== undefined && isWithin(found.declaration, statement.declaration))
        return found;
    }
    for (const statement of statements) {
      const isAll = statement.type === 'ExportAllDeclaration' && !statement.exported && name !== 'default';
      const found = isAll ? inFile(statement.source, name) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #default(statement: ExportDefaultDeclaration): Binding {
    const { declaration } = statement;
    const known = this.#defaults.get(declaration);
    if (known !== undefined) return known;
    const isNamed = isFunction(declaration) || isClass(declaration);
    const named = isNamed && declaration.id ? this.#topLevel(fileOf(statement), declaration.id.name) : undefined;
    const binding = named ?? {
      name: this.#nameOfDefault(fileOf(statement)),
      scope: this.#byFile.get(fileOf(statement))?.program ?? statement,
      declaration: statement,
      origin: originOfDefault(declaration),
      isRest: false,
      references: [],
    };
    this.#defaults.set(declaration, binding);
    return binding;
  }

  /** The first name under which other files import the default export of `file`. */
  #nameOfDefault(file: string): string {
    for (const binding of this.bindings) {
      const { origin, declaration } = binding;
      if (origin.from !== 'import' || origin.name !== 'default') continue;
      if (resolveImport(origin.source, fileOf(declaration)) === file) return binding.name;
    }
    return 'default';
  }

  /** A variable of the module; if it is imported, the variable of the module that exports it. */
  #imported(file: string, name: string): Binding | undefined {
    const found = this.#topLevel(file, name);
    return found === undefined ? undefined : this.#followImport(found, file);
  }

  #topLevel(file: string, name: string): Binding | undefined {
    const program = this.#byFile.get(file)?.program;
    return program === undefined ? undefined : this.#scopes.get(program)?.get(name);
  }

  #resolve(identifier: Identifier): Binding | undefined {
    const found = this.#lookUp(identifier, identifier.name);
    return found === undefined ? undefined : this.#followImport(found, fileOf(identifier));
  }

  #followImport(binding: Binding, importer: string): Binding {
    if (binding.origin.from !== 'import' || binding.origin.name === '*') return binding;
    const file = resolveImport(binding.origin.source, importer);
    return (file === undefined ? undefined : this.exportOf(file, binding.origin.name)) ?? binding;
  }

  /** Resolves `state.rows` if `state` is a whole module. */
  #resolveMember(identifier: Identifier, { origin }: Binding): void {
    const parent = this.parentOf(identifier);
    if (origin.from !== 'import' || origin.name !== '*') return;
    if (parent?.type !== 'MemberExpression' || parent.object !== identifier) return;
    const file = resolveImport(origin.source, fileOf(identifier));
    const name = propertyName(parent);
    const target = file === undefined || name === undefined ? undefined : this.exportOf(file, name);
    if (target === undefined) return;
    this.#bindingOf.set(parent, target);
    target.references.push(parent);
  }

  #lookUp(identifier: Identifier, name: string): Binding | undefined {
    for (const scope of this.ancestors(identifier)) {
      const binding = this.#scopes.get(scope)?.get(name);
      if (binding !== undefined) return binding;
    }
    return undefined;
  }
}

export type { Binding };

function originOfDefault(node: ExportDefaultDeclaration['declaration']): Origin {
  if (isFunction(node)) return { from: 'function', node };
  if (isClass(node)) return { from: 'class', node };
  return { from: 'value', node, path: [] };
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
