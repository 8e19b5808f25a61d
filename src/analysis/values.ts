/**
 * Finds the values that an expression can have: functions, classes, literals, `new` expressions. It follows names, members, arguments,
 * return values of functions, and imports.
 */
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
import type { Binding, Path } from './bindings.ts';
import { Classes } from './classes.ts';
import { resolveImport, type SourceModel } from './source-model.ts';

export type CallSite = CallExpression | NewExpression;

/** The maximum length of a chain of names that refer to other names. */
const MAX_DEPTH = 24;
/** The maximum number of expressions that are visited for one question. */
const MAX_VISITS = 1000;
/** The number of visits after which incomplete values are stored, too. */
const MAX_UNSURE_VISITS = 200;
/** Methods of a list whose result is the list itself or a list with the same elements. */
const COPYING_METHODS = /^(filter|slice|concat|sort|reverse|toSorted|toReversed|splice|with|flat|values|entries)$/;
/** Methods whose result is an element of a list or a map. */
const ELEMENT_METHODS = /^(get|at|find|findLast|pop|shift)$/;
/** Functions whose result is their first argument. */
const PASS_THROUGH_FUNCTIONS = /^(Object\.(freeze|seal|assign|preventExtensions)|Promise\.resolve|Array\.from)$/;

export class Values {
  readonly #model: SourceModel;
  readonly #classes: Classes;
  readonly #sitesOf: (owner: FunctionNode) => readonly CallSite[];
  readonly #known = new Map<AnyNode, readonly AnyNode[]>();
  readonly #active = new Set<AnyNode>();
  /** The objects whose members are being searched. */
  readonly #opened = new Set<AnyNode>();
  readonly #returns = new Map<FunctionNode, readonly AnyNode[]>();
  #visits = 0;
  #isCut = false;
  #assignments: ReadonlyMap<string, readonly AnyNode[]> | undefined;

  constructor(model: SourceModel, sitesOf: (owner: FunctionNode) => readonly CallSite[]) {
    this.#model = model;
    this.#sitesOf = sitesOf;
    this.#classes = new Classes(model, (node) => this.of(node).filter(isClass)[0]);
  }

  get classes(): Classes {
    return this.#classes;
  }

  /** The nodes that `node` can evaluate to. An instance of a class is its `new` expression, or `this` within the class. */
  of(node: AnyNode): readonly AnyNode[] {
    const expression = unwrap(node);
    const known = this.#known.get(expression);
    if (known !== undefined) return known;
    const isFirst = this.#active.size === 0;
    if (isFirst) {
      this.#visits = 0;
      this.#isCut = false;
    }
    if (this.#active.has(expression) || this.#active.size > MAX_DEPTH || this.#visits > MAX_VISITS) {
      this.#isCut = true;
      return [];
    }
    this.#visits += 1;
    this.#active.add(expression);
    const values = [...new Set(this.#find(expression))];
    this.#active.delete(expression);
    // A search that was cut short, because a value depends on itself, is complete only for its first expression. In code with
    // many such expressions the incomplete values are used.
    if (isFirst || !this.#isCut || this.#visits > MAX_UNSURE_VISITS) this.#known.set(expression, values);
    return values;
  }

  /** The values at the end of a path of properties that begins at `node`. */
  at(node: AnyNode, path: Path): readonly AnyNode[] {
    const [name, ...rest] = path;
    if (name === undefined) return this.of(node);
    const members = new Set(this.of(node).flatMap((value) => this.membersOf(value, name)));
    return [...new Set([...members].flatMap((member) => this.at(member, rest)))];
  }

  /** The expressions whose value a member of an object can have. A name of null means any member. */
  membersOf(value: AnyNode, name: string | null): readonly AnyNode[] {
    // `rows = [...rows, row]`
    if (this.#opened.has(value)) return [];
    this.#opened.add(value);
    const members = this.#findMembers(value, name);
    this.#opened.delete(value);
    return members;
  }

  #findMembers(value: AnyNode, name: string | null): readonly AnyNode[] {
    if (value.type === 'ArrayExpression')
      return value.elements.flatMap((element, index) => {
        if (element === null || (name !== null && name !== String(index))) return [];
        if (element.type !== 'SpreadElement') return [element];
        return this.of(element.argument).flatMap((inner) => this.membersOf(inner, null));
      });
    if (value.type === 'Identifier') return this.#exportsOf(value, name);
    const own = value.type === 'ObjectExpression' ? this.#propertiesOf(value, name) : [];
    const owner = this.ownerOf(value);
    if (owner === undefined) return own;
    const members = isClass(owner) && name !== null ? this.#classMembers(value, owner, name) : [];
    return [...own, ...members, ...(name === null ? [] : this.#assigned(owner, name))];
  }

  /** The class, function or literal whose fields a value has; undefined for other values. */
  ownerOf(value: AnyNode): AnyNode | undefined {
    if (value.type === 'NewExpression') return this.of(value.callee).find(isClass);
    if (value.type === 'ThisExpression') return this.#model.classAround(value);
    return value.type === 'ObjectExpression' || isFunction(value) || isClass(value) ? value : undefined;
  }

  /** The class whose instance a value is. */
  classOf(value: AnyNode): ClassNode | undefined {
    const owner = isClass(value) ? undefined : this.ownerOf(value);
    return owner !== undefined && isClass(owner) ? owner : undefined;
  }

  /** Returns the expressions that `owner` returns, without those of functions within it. */
  returnsOf(owner: FunctionNode): readonly AnyNode[] {
    if (owner.body.type !== 'BlockStatement') return [owner.body];
    const known = this.#returns.get(owner);
    if (known !== undefined) return known;
    const returns = this.#model
      .nodesWithin(owner.body, isFunction)
      .flatMap((node) => (node.type === 'ReturnStatement' && node.argument ? [node.argument] : []));
    this.#returns.set(owner, returns);
    return returns;
  }

  #find(node: AnyNode): readonly AnyNode[] {
    if (isFunction(node) || isClass(node)) return [node];
    switch (node.type) {
      case 'Identifier':
        return this.#ofName(node);
      case 'MemberExpression':
        return this.#ofMember(node, propertyName(node) ?? null);
      case 'ThisExpression':
        return this.#ofThis(node);
      case 'AwaitExpression':
        return this.of(node.argument);
      case 'ConditionalExpression':
        return [node.consequent, node.alternate].flatMap((branch) => this.of(branch));
      case 'LogicalExpression':
        return [node.left, node.right].flatMap((side) => this.of(side));
      case 'AssignmentExpression':
        return this.of(node.right);
      case 'SequenceExpression': {
        const last = node.expressions.at(-1);
        return last === undefined ? [] : this.of(last);
      }
      case 'CallExpression':
        return this.#ofCall(node);
      default:
        return [node];
    }
  }

  #ofName(node: AnyNode): readonly AnyNode[] {
    const binding = this.#model.bindingOf(node);
    if (binding === undefined) return [node];
    return this.#ofBinding(binding);
  }

  #ofBinding(binding: Binding): readonly AnyNode[] {
    const { origin, references, declaration } = binding;
    if (origin.from === 'function' || origin.from === 'class') return [origin.node];
    if (origin.from === 'import') return origin.name === '*' ? [declaration] : [];
    const assigned = references.flatMap((reference) => {
      const parent = this.#model.parentOf(reference);
      if (parent?.type !== 'AssignmentExpression' || parent.left !== reference) return [];
      return /^(=|\?\?=|\|\|=)$/.test(parent.operator) ? this.of(parent.right) : [];
    });
    if (origin.from === 'value') return [...this.at(origin.node, origin.path), ...assigned];
    if (origin.from === 'each') return [...this.at(origin.node, [null, ...origin.path]), ...assigned];
    if (origin.from === 'nothing') return assigned;
    const { owner, index, path } = origin;
    const given = this.#sitesOf(owner).flatMap((site) => {
      const argument = argumentOf(site, index);
      return argument === undefined ? this.#defaultOf(owner, index, path) : this.at(argument, path);
    });
    return [...given, ...assigned];
  }

  #defaultOf(owner: FunctionNode, index: number, path: Path): readonly AnyNode[] {
    const parameter = owner.params[index];
    return parameter?.type === 'AssignmentPattern' ? this.at(parameter.right, path) : [];
  }

  #ofMember(node: AnyNode & { readonly type: 'MemberExpression' }, name: string | null): readonly AnyNode[] {
    const binding = this.#model.bindingOf(node);
    if (binding !== undefined) return this.#ofBinding(binding);
    if (node.object.type === 'Super') {
      const owner = this.#model.classAround(node);
      const parent = owner === undefined ? undefined : this.#classes.parentOf(owner);
      return parent === undefined || name === null ? [] : this.#classes.ownMembers(parent, name, { isStatic: false });
    }
    const members = new Set(this.of(node.object).flatMap((value) => this.membersOf(value, name)));
    return [...members].flatMap((member) => this.of(member));
  }

  #ofThis(node: AnyNode): readonly AnyNode[] {
    for (const ancestor of this.#model.ancestors(node)) {
      if (isClass(ancestor)) return [node];
      if (ancestor.type === 'StaticBlock')
        return [this.#model.classAround(node)].filter((owner) => owner !== undefined);
      const isMember = ancestor.type === 'MethodDefinition' || ancestor.type === 'PropertyDefinition';
      if (isMember && ancestor.static) return [this.#model.classAround(node)].filter((owner) => owner !== undefined);
      if (isMember || !isFunction(ancestor) || ancestor.type === 'ArrowFunctionExpression') continue;
      const parent = this.#model.parentOf(ancestor);
      if (parent?.type === 'MethodDefinition') continue;
      const literal = parent?.type === 'Property' ? this.#model.parentOf(parent) : undefined;
      return literal?.type === 'ObjectExpression' ? [literal] : [];
    }
    return [];
  }

  #ofCall(call: CallExpression): readonly AnyNode[] {
    const { callee } = call;
    const name = methodName(call) ?? '';
    const [first] = call.arguments;
    if (callee.type === 'MemberExpression') {
      if (name === 'bind') {
        const functions = this.of(callee.object).filter(isFunction);
        return functions.length > 0 ? functions : [call];
      }
      const { object } = callee;
      const global = object.type === 'Identifier' ? `${object.name}.${name}` : '';
      if (first !== undefined && PASS_THROUGH_FUNCTIONS.test(global)) return this.of(first);
    }
    const functions = this.of(callee).filter(isFunction);
    if (functions.length > 0) return functions.flatMap((owner) => this.returnsOf(owner).flatMap((one) => this.of(one)));
    if (callee.type !== 'MemberExpression') return [call];
    const receivers = () => this.of(callee.object);
    if (COPYING_METHODS.test(name)) return receivers().filter(({ type }) => type === 'ArrayExpression');
    if (!ELEMENT_METHODS.test(name)) return [call];
    return receivers().flatMap((value) => this.#elementsOf(value).flatMap((element) => this.of(element)));
  }

  #elementsOf(value: AnyNode): readonly AnyNode[] {
    return value.type === 'ArrayExpression' ? this.membersOf(value, null) : [];
  }

  #propertiesOf(literal: AnyNode & { readonly type: 'ObjectExpression' }, name: string | null): readonly AnyNode[] {
    const found: AnyNode[] = [];
    for (const property of literal.properties.toReversed()) {
      if (property.type === 'SpreadElement') {
        for (const value of this.of(property.argument)) found.push(...this.membersOf(value, name));
        continue;
      }
      const key = keyName(property);
      if (name !== null && key !== undefined && key !== name) continue;
      const { value, kind } = property;
      found.push(...(kind === 'get' && isFunction(value) ? this.returnsOf(value) : [value]));
      if (key !== undefined && name !== null) break;
    }
    return found;
  }

  #classMembers(value: AnyNode, owner: ClassNode, name: string): readonly AnyNode[] {
    if (isClass(value)) return this.#classes.membersOf(owner, name, { isStatic: true });
    // `this` can be an instance of a class that extends this one.
    const isOpen = value.type === 'ThisExpression';
    return this.#classes.membersOf(owner, name, { isStatic: false, isOpen });
  }

  /** The values of assignments `x.name = …`, where `x` is the object. */
  #assigned(owner: AnyNode, name: string): readonly AnyNode[] {
    this.#assignments ??= findAssignments(this.#model);
    return (this.#assignments.get(name) ?? []).flatMap((node) => {
      if (node.type !== 'AssignmentExpression' || node.left.type !== 'MemberExpression') return [];
      return this.hasOwner(node.left.object, owner) ? [node.right] : [];
    });
  }

  /** Returns whether `node` can be an object with the fields of `owner`. */
  hasOwner(node: AnyNode, owner: AnyNode): boolean {
    return this.of(node).some((value) => {
      const found = this.ownerOf(value);
      if (found === undefined || found === owner) return found === owner;
      return isClass(found) && isClass(owner) && this.#classes.areRelated(found, owner);
    });
  }

  #exportsOf(namespace: AnyNode, name: string | null): readonly AnyNode[] {
    const origin = this.#model.bindingOf(namespace)?.origin;
    if (origin?.from !== 'import' || name === null) return [];
    const file = resolveImport(origin.source, fileOf(namespace));
    const binding = file === undefined ? undefined : this.#model.exportOf(file, name);
    return binding === undefined ? [] : this.#ofBinding(binding);
  }
}

/** The argument of a call; undefined if there is none, or if a spread element hides it. */
export function argumentOf(site: CallSite, index: number): AnyNode | undefined {
  const before = site.arguments.slice(0, index + 1);
  return before.some(({ type }) => type === 'SpreadElement') ? undefined : site.arguments[index];
}

function findAssignments(model: SourceModel): ReadonlyMap<string, readonly AnyNode[]> {
  const byName = new Map<string, AnyNode[]>();
  for (const node of model.files.flatMap(({ nodes }) => nodes)) {
    if (node.type !== 'AssignmentExpression' || node.left.type !== 'MemberExpression') continue;
    const name = propertyName(node.left);
    if (name !== undefined) byName.set(name, [...(byName.get(name) ?? []), node]);
  }
  return byName;
}
