/** The types of the nodes of a syntax tree, and small functions on them. */
import type {
  AnonymousFunctionDeclaration,
  AnyNode,
  ArrowFunctionExpression,
  CallExpression,
  Class,
  ClassDeclaration,
  ClassExpression,
  FunctionDeclaration,
  FunctionExpression,
  MemberExpression,
} from 'acorn';

import type { Position } from './source-warning.ts';

export type { AnyNode, CallExpression, Identifier, MemberExpression, Program } from 'acorn';

export type FunctionNode =
  FunctionDeclaration | AnonymousFunctionDeclaration | FunctionExpression | ArrowFunctionExpression;

export type ClassNode = (ClassDeclaration | ClassExpression) & Class;

export function isFunction(node: AnyNode): node is FunctionNode {
  return (
    node.type === 'FunctionDeclaration' || node.type === 'FunctionExpression' || node.type === 'ArrowFunctionExpression'
  );
}

export function isClass(node: AnyNode): node is ClassNode {
  return node.type === 'ClassDeclaration' || node.type === 'ClassExpression';
}

/** The expressions that can be the value of `node`, or an element of it, for `await x`, `[x, y]`, `x ?? y`; undefined for other nodes. */
export function alternativesOf(node: AnyNode): readonly AnyNode[] | undefined {
  switch (node.type) {
    case 'AwaitExpression':
    case 'SpreadElement':
      return [node.argument];
    case 'ArrayExpression':
      return node.elements.filter((element) => element !== null);
    case 'LogicalExpression':
      return [node.left, node.right];
    case 'ConditionalExpression':
      return [node.consequent, node.alternate];
    default:
      return undefined;
  }
}

export function isLoop(node: AnyNode): boolean {
  return /^(For|ForIn|ForOf|While|DoWhile)Statement$/.test(node.type);
}

/** Returns whether `inner` lies within `outer`; a node lies within itself. */
export function isWithin(inner: AnyNode, outer: AnyNode): boolean {
  return fileOf(inner) === fileOf(outer) && inner.start >= outer.start && inner.end <= outer.end;
}

export function fileOf(node: AnyNode): string {
  return node.loc?.source ?? '';
}

export function positionOf(node: AnyNode): Position {
  const { line, column } = node.loc?.start ?? { line: 1, column: 0 };
  return { file: fileOf(node), line, column: column + 1 };
}

/** The name of a property that is accessed by a fixed name (`x.name`, `x['name']`, `x.#name`); undefined for `x[y]`. */
export function propertyName({ property, computed }: MemberExpression): string | undefined {
  if (property.type === 'PrivateIdentifier') return `#${property.name}`;
  if (!computed) return property.type === 'Identifier' ? property.name : undefined;
  return property.type === 'Literal' ? String(property.value) : undefined;
}

/** The name of a key in an object literal, a class or a pattern; undefined for a computed name. */
export function keyName(node: { readonly key: AnyNode; readonly computed: boolean }): string | undefined {
  const { key, computed } = node;
  if (key.type === 'PrivateIdentifier') return `#${key.name}`;
  if (key.type === 'Identifier' && !computed) return key.name;
  return key.type === 'Literal' ? String(key.value) : undefined;
}

/** The callee's position as V8 reports it in a stack trace: for `a.b()` that of `b`. */
export function callPosition({ callee }: CallExpression): Position {
  return positionOf(callee.type === 'MemberExpression' ? callee.property : callee);
}

/** The `name` of `x.name(…)`, for every `x`. */
export function methodName({ callee }: CallExpression): string | undefined {
  return callee.type === 'MemberExpression' ? propertyName(callee) : undefined;
}

/** The expression without the wrappers that don't change what it refers to. */
export function unwrap(node: AnyNode): AnyNode {
  if (node.type === 'ChainExpression' || node.type === 'ParenthesizedExpression') return unwrap(node.expression);
  return node;
}
