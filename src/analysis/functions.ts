/** Finds the functions that an expression can mean, their calls, and the arguments of these calls. */
import type { NewExpression } from 'acorn';

import {
  fileOf,
  isClass,
  isFunction,
  keyName,
  methodName,
  propertyName,
  unwrap,
  type AnyNode,
  type CallExpression,
  type ClassNode,
  type FunctionNode,
} from './ast.ts';
import type { Origin, Path } from './bindings.ts';
import { resolveImport, type SourceModel } from './source-model.ts';

/** Names lead to other names; a chain longer than this is not followed. */
const MAX_DEPTH = 8;

export type CallSite = CallExpression | NewExpression;

export class Functions {
  readonly #model: SourceModel;
  #sites: Map<FunctionNode, CallSite[]> | undefined;

  constructor(model: SourceModel) {
    this.#model = model;
  }

  /** The functions of these files that `node` can mean. */
  resolve(node: AnyNode, depth = 0): FunctionNode[] {
    const expression = unwrap(node);
    if (depth > MAX_DEPTH) return [];
    if (isFunction(expression)) return [expression];
    if (expression.type === 'ConditionalExpression')
      return [expression.consequent, expression.alternate].flatMap((branch) => this.resolve(branch, depth + 1));
    if (expression.type === 'CallExpression' && methodName(expression) === 'bind')
      return expression.callee.type === 'MemberExpression' ? this.resolve(expression.callee.object, depth + 1) : [];
    if (expression.type === 'Identifier') {
      const binding = this.#model.bindingOf(expression);
      return binding === undefined ? [] : this.#ofOrigin(binding.origin, depth);
    }
    if (expression.type !== 'MemberExpression') return [];
    const name = propertyName(expression);
    return name === undefined ? [] : this.#ofMember(unwrap(expression.object), name, depth);
  }

  /** The constructor that `new` calls, where its class is in these files. */
  constructorsOf({ callee }: NewExpression): FunctionNode[] {
    const created = this.#classNamed(callee);
    return created === undefined ? [] : this.#methodsOf(created, 'constructor', 0);
  }

  /** Returns the calls of `owner` by a name that can be resolved. */
  sitesOf(owner: FunctionNode): readonly CallSite[] {
    this.#sites ??= this.#findSites();
    return this.#sites.get(owner) ?? [];
  }

  /** Returns the expression that a parameter's variable gets at a call; undefined if the call doesn't show it. */
  argumentAt(
    site: CallSite,
    { index, path }: { readonly index: number; readonly path: Path },
  ): [AnyNode, Path] | undefined {
    const argument = site.arguments[index];
    const before = site.arguments.slice(0, index + 1);
    if (argument === undefined || before.some(({ type }) => type === 'SpreadElement')) return undefined;
    return followPath(argument, path);
  }

  /** Returns the expressions that `owner` returns, without those of functions within it. */
  returnsOf(owner: FunctionNode): AnyNode[] {
    if (owner.body.type !== 'BlockStatement') return [owner.body];
    return this.#model
      .nodesWithin(owner.body, isFunction)
      .flatMap((node) => (node.type === 'ReturnStatement' && node.argument ? [node.argument] : []));
  }

  /** The class whose instance the expression is. */
  classOf(node: AnyNode, depth = 0): ClassNode | undefined {
    const expression = unwrap(node);
    if (depth > MAX_DEPTH) return undefined;
    if (expression.type === 'ThisExpression') return this.#model.classAround(expression);
    if (expression.type === 'AwaitExpression') return this.classOf(expression.argument, depth + 1);
    if (expression.type === 'NewExpression') return this.#classNamed(expression.callee);
    if (expression.type === 'Identifier') {
      const origin = this.#model.bindingOf(expression)?.origin;
      return origin?.from === 'value' && origin.path.length === 0 ? this.classOf(origin.node, depth + 1) : undefined;
    }
    if (expression.type !== 'MemberExpression') return undefined;
    const owner = this.classOf(expression.object, depth + 1);
    const name = propertyName(expression);
    if (owner === undefined || name === undefined) return undefined;
    for (const value of this.fieldValues(owner, name)) {
      const found = this.classOf(value, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Returns the values that a class assigns to a field of its instances. */
  fieldValues(owner: ClassNode, name: string): AnyNode[] {
    return this.#model.nodesWithin(owner.body).flatMap((node) => {
      if (node.type === 'PropertyDefinition' && keyName(node) === name) return node.value ?? [];
      if (node.type !== 'AssignmentExpression' || node.left.type !== 'MemberExpression') return [];
      const isField = node.left.object.type === 'ThisExpression' && propertyName(node.left) === name;
      return isField && this.#model.classAround(node) === owner ? node.right : [];
    });
  }

  #ofOrigin(origin: Origin, depth: number): FunctionNode[] {
    if (origin.from === 'function') return [origin.node];
    if (origin.from !== 'value') return [];
    const [node, rest] = followPath(origin.node, origin.path);
    return rest.length === 0 ? this.resolve(node, depth + 1) : [];
  }

  #ofMember(object: AnyNode, name: string, depth: number): FunctionNode[] {
    const owner = this.classOf(object) ?? (object.type === 'Identifier' ? this.#classNamed(object) : undefined);
    if (owner !== undefined) return this.#methodsOf(owner, name, depth);
    if (object.type !== 'Identifier') return [];
    const origin = this.#model.bindingOf(object)?.origin;
    if (origin?.from === 'import' && origin.name === '*') {
      const file = resolveImport(origin.source, fileOf(object));
      const target = file === undefined ? undefined : this.#model.exportOf(file, name);
      if (target === undefined) return [];
      return 'references' in target ? this.#ofOrigin(target.origin, depth) : this.resolve(target, depth + 1);
    }
    if (origin?.from !== 'value') return [];
    const [node, rest] = followPath(origin.node, [...origin.path, name]);
    return rest.length === 0 ? this.resolve(node, depth + 1) : [];
  }

  #methodsOf(owner: ClassNode, name: string, depth: number): FunctionNode[] {
    const methods = owner.body.body.flatMap((member) => {
      if (member.type === 'StaticBlock' || keyName(member) !== name || !member.value) return [];
      return this.resolve(member.value, depth + 1);
    });
    const parent = owner.superClass;
    if (methods.length > 0 || !parent || depth > MAX_DEPTH) return methods;
    const parentClass = this.#classNamed(parent);
    return parentClass === undefined ? [] : this.#methodsOf(parentClass, name, depth + 1);
  }

  #classNamed(node: AnyNode): ClassNode | undefined {
    const expression = unwrap(node);
    if (isClass(expression)) return expression;
    if (expression.type !== 'Identifier') return undefined;
    const origin = this.#model.bindingOf(expression)?.origin;
    if (origin?.from === 'class') return origin.node;
    return origin?.from === 'value' && isClass(origin.node) ? origin.node : undefined;
  }

  #findSites(): Map<FunctionNode, CallSite[]> {
    const sites = new Map<FunctionNode, CallSite[]>();
    const add = (owner: FunctionNode, site: CallSite) => sites.set(owner, [...(sites.get(owner) ?? []), site]);
    for (const { nodes } of this.#model.files) {
      for (const node of nodes) {
        if (node.type === 'CallExpression') for (const owner of this.resolve(node.callee)) add(owner, node);
        if (node.type === 'NewExpression') for (const owner of this.constructorsOf(node)) add(owner, node);
      }
    }
    return sites;
  }
}

/** Follows a path into object literals as far as they go; returns the node that was reached and the rest of the path. */
export function followPath(node: AnyNode, path: Path): [AnyNode, Path] {
  const [name, ...rest] = path;
  const expression = unwrap(node);
  if (name === undefined || expression.type !== 'ObjectExpression') return [expression, path];
  for (const property of expression.properties.toReversed()) {
    if (property.type === 'SpreadElement') return [expression, path];
    if (name !== null && keyName(property) === name) return followPath(property.value, rest);
  }
  return [expression, path];
}
