/** Finds the functions that an expression can refer to, their calls, and the arguments of these calls. */
import type { NewExpression } from 'acorn';

import {
  isClass,
  isFunction,
  keyName,
  propertyName,
  unwrap,
  type AnyNode,
  type ClassNode,
  type FunctionNode,
} from './ast.ts';
import type { Path } from './bindings.ts';
import type { SourceModel } from './source-model.ts';
import { Values, type CallSite } from './values.ts';

export type { CallSite };

type Sites = ReadonlyMap<FunctionNode, readonly CallSite[]>;

/** The number of passes: the calls of a function that is passed to another function are known only after the calls of that function. */
const MAX_ROUNDS = 3;

export class Functions {
  readonly #model: SourceModel;
  readonly #sites: Sites;
  readonly #values: Values;
  readonly #fields = new Map<ClassNode, Map<string, readonly AnyNode[]>>();

  constructor(model: SourceModel) {
    this.#model = model;
    let sites: Sites = new Map();
    let values = new Values(model, () => []);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const known = findSites(model, values);
      if (isSame(known, sites)) break;
      sites = known;
      values = new Values(model, (owner) => known.get(owner) ?? []);
    }
    this.#sites = sites;
    this.#values = values;
  }

  get values(): Values {
    return this.#values;
  }

  /** The functions of these files that `node` can refer to. */
  resolve(node: AnyNode): FunctionNode[] {
    return this.#values.of(node).filter(isFunction);
  }

  /** The constructor that `new` calls, if its class is in these files. */
  constructorsOf(site: NewExpression): FunctionNode[] {
    return constructorsOf(site, this.#values);
  }

  /** Returns the calls of `owner` by a name that can be resolved. */
  sitesOf(owner: FunctionNode): readonly CallSite[] {
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
  returnsOf(owner: FunctionNode): readonly AnyNode[] {
    return this.#values.returnsOf(owner);
  }

  /** Returns whether code runs only when its module is loaded, also within functions that are called then. */
  runsAtLoad(node: AnyNode, depth = 0): boolean {
    for (const ancestor of this.#model.ancestors(node)) {
      if (ancestor.type === 'PropertyDefinition' && !ancestor.static) return false;
      if (!isFunction(ancestor)) continue;
      const sites = this.sitesOf(ancestor);
      return depth < 3 && sites.length > 0 && sites.every((site) => this.runsAtLoad(site, depth + 1));
    }
    return true;
  }

  /** The class whose instance the expression is. */
  classOf(node: AnyNode): ClassNode | undefined {
    if (unwrap(node).type === 'ThisExpression') return this.#model.classAround(unwrap(node));
    for (const value of this.#values.of(node)) {
      const owner = this.#values.classOf(value);
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  /** Returns the values that a class, or one that it extends or that extends it, assigns to a field of its instances. */
  fieldValues(owner: ClassNode, name: string): readonly AnyNode[] {
    const fields = this.#fields.get(owner) ?? new Map<string, readonly AnyNode[]>();
    this.#fields.set(owner, fields);
    const known = fields.get(name);
    if (known !== undefined) return known;
    const { classes } = this.#values;
    const family = [...classes.lineOf(owner), ...classes.heirsOf(owner)];
    const found = family.flatMap((one) =>
      this.#model.nodesWithin(one.body).flatMap((node) => {
        if (node.type === 'PropertyDefinition' && keyName(node) === name) return node.value ?? [];
        if (node.type !== 'AssignmentExpression' || node.left.type !== 'MemberExpression') return [];
        const isField = node.left.object.type === 'ThisExpression' && propertyName(node.left) === name;
        return isField && this.#model.classAround(node) === one ? node.right : [];
      }),
    );
    fields.set(name, found);
    return found;
  }
}

function findSites(model: SourceModel, values: Values): Sites {
  const sites = new Map<FunctionNode, CallSite[]>();
  const add = (owner: FunctionNode, site: CallSite) => sites.set(owner, [...(sites.get(owner) ?? []), site]);
  for (const { nodes } of model.files) {
    for (const node of nodes) {
      if (node.type === 'CallExpression') {
        const owners = node.callee.type === 'Super' ? superOf(node, { model, values }) : values.of(node.callee);
        for (const owner of owners) if (isFunction(owner)) add(owner, node);
      }
      if (node.type === 'NewExpression') for (const owner of constructorsOf(node, values)) add(owner, node);
    }
  }
  return sites;
}

function constructorsOf({ callee }: NewExpression, values: Values): FunctionNode[] {
  const created = values.of(callee).find(isClass);
  return created === undefined
    ? []
    : values.classes.membersOf(created, 'constructor', { isStatic: false }).filter(isFunction);
}

/** The constructor that `super(…)` calls. */
function superOf(
  node: AnyNode,
  { model, values }: { readonly model: SourceModel; readonly values: Values },
): AnyNode[] {
  const owner = model.classAround(node);
  const parent = owner === undefined ? undefined : values.classes.parentOf(owner);
  return parent === undefined ? [] : [...values.classes.membersOf(parent, 'constructor', { isStatic: false })];
}

function isSame(first: Sites, second: Sites): boolean {
  if (first.size !== second.size) return false;
  return [...first].every(([owner, sites]) => sites.length === second.get(owner)?.length);
}

/** Follows a path into object literals as far as possible. Returns the reached node and the rest of the path. */
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
