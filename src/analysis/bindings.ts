/** Finds the variables that a file declares, and the source of the first value of each. */
import type { VariableDeclaration } from 'acorn';

import {
  isClass,
  isFunction,
  keyName,
  type AnyNode,
  type ClassNode,
  type FunctionNode,
  type Identifier,
} from './ast.ts';
import type { SourceFile } from './source-file.ts';

/** The properties that lead from a value to a part of it: names, and numbers of elements; null means any property. */
export type Path = readonly (string | null)[];

export type Origin =
  /** `const x = node`, or with a path `const { a: x } = node`. */
  | { readonly from: 'value'; readonly node: AnyNode; readonly path: Path }
  /** `for (const x of node)`. */
  | { readonly from: 'each'; readonly node: AnyNode; readonly path: Path }
  | { readonly from: 'parameter'; readonly owner: FunctionNode; readonly index: number; readonly path: Path }
  | { readonly from: 'import'; readonly source: string; readonly name: string }
  | { readonly from: 'function'; readonly node: FunctionNode }
  | { readonly from: 'class'; readonly node: ClassNode }
  | { readonly from: 'nothing' };

export interface Binding {
  readonly name: string;
  /** The node within which the name is known. */
  readonly scope: AnyNode;
  /** The identifier in its declaration, or the statement `export default …`. */
  readonly declaration: AnyNode;
  readonly origin: Origin;
  /** True if it holds the rest of a pattern (`...x`), which is a copy. */
  readonly isRest: boolean;
  /** The uses of the variable in all files, without its declaration: names, and `state.rows` for a variable of another module. */
  readonly references: AnyNode[];
}

export type Scopes = ReadonlyMap<AnyNode, ReadonlyMap<string, Binding>>;

/** Returns the variables of a file by the node that is their scope. */
export function findBindings({ nodes, parents, program }: SourceFile): Scopes {
  const scopes = new Map<AnyNode, Map<string, Binding>>();

  const declare = (declaration: Identifier, scope: AnyNode, origin: Origin, isRest = false) => {
    const names = scopes.get(scope) ?? new Map<string, Binding>();
    scopes.set(scope, names);
    const { name } = declaration;
    if (!names.has(name)) names.set(name, { name, scope, declaration, origin, isRest, references: [] });
  };

  const declarePattern = (
    pattern: AnyNode,
    scope: AnyNode,
    makeOrigin: (path: Path) => Origin,
    path: Path = [],
  ): void => {
    const next = (inner: AnyNode, innerPath = path) => declarePattern(inner, scope, makeOrigin, innerPath);
    if (pattern.type === 'Identifier') declare(pattern, scope, makeOrigin(path));
    else if (pattern.type === 'AssignmentPattern') next(pattern.left);
    else if (pattern.type === 'RestElement') {
      const { argument } = pattern;
      if (argument.type === 'Identifier') declare(argument, scope, makeOrigin(path), true);
      else next(argument);
    } else if (pattern.type === 'ArrayPattern') {
      for (const [index, element] of pattern.elements.entries()) {
        if (element !== null) next(element, element.type === 'RestElement' ? path : [...path, String(index)]);
      }
    } else if (pattern.type === 'ObjectPattern') {
      for (const property of pattern.properties) {
        if (property.type === 'RestElement') next(property);
        else next(property.value, [...path, keyName(property) ?? null]);
      }
    }
  };

  const declareVariables = (node: VariableDeclaration) => {
    const parent = parents.get(node) ?? program;
    const scope = scopeOf(node, parents, { isHoisted: node.kind === 'var' });
    for (const { id, init } of node.declarations) {
      const isEach = (parent.type === 'ForOfStatement' || parent.type === 'ForInStatement') && parent.left === node;
      declarePattern(id, scope, (path) => {
        if (isEach) return { from: 'each', node: parent.right, path };
        return init ? { from: 'value', node: init, path } : { from: 'nothing' };
      });
    }
  };

  for (const node of nodes) {
    if (node.type === 'VariableDeclaration') declareVariables(node);
    else if (isFunction(node)) {
      for (const [index, parameter] of node.params.entries())
        declarePattern(parameter, node, (path) => ({ from: 'parameter', owner: node, index, path }));
      const scope = node.type === 'FunctionDeclaration' ? scopeOf(node, parents) : node;
      if (node.type !== 'ArrowFunctionExpression' && node.id) declare(node.id, scope, { from: 'function', node });
    } else if (isClass(node)) {
      const scope = node.type === 'ClassDeclaration' ? scopeOf(node, parents) : node;
      if (node.id) declare(node.id, scope, { from: 'class', node });
    } else if (node.type === 'CatchClause' && node.param) declarePattern(node.param, node, () => ({ from: 'nothing' }));
    else if (node.type === 'ImportDeclaration') {
      for (const specifier of node.specifiers)
        declare(specifier.local, program, {
          from: 'import',
          source: String(node.source.value),
          name: importedName(specifier),
        });
    }
  }
  return scopes;
}

const BLOCKS = new Set([
  'Program',
  'BlockStatement',
  'StaticBlock',
  'SwitchStatement',
  'ForStatement',
  'ForInStatement',
  'ForOfStatement',
]);

/** The nearest node around `node` that is a scope for a declaration in it. */
function scopeOf(
  node: AnyNode,
  parents: ReadonlyMap<AnyNode, AnyNode>,
  { isHoisted = false }: { isHoisted?: boolean } = {},
): AnyNode {
  let scope = node;
  for (let next = parents.get(node); next !== undefined; next = parents.get(next)) {
    scope = next;
    if (next.type === 'Program' || next.type === 'StaticBlock') break;
    if (isFunction(next) || (!isHoisted && BLOCKS.has(next.type))) break;
  }
  return scope;
}

/** `default` for a default import, `*` for the whole module. */
function importedName(specifier: AnyNode): string {
  if (specifier.type === 'ImportNamespaceSpecifier') return '*';
  if (specifier.type !== 'ImportSpecifier') return 'default';
  const { imported } = specifier;
  return imported.type === 'Identifier' ? imported.name : String(imported.value);
}
