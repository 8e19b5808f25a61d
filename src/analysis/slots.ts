/** Finds the slots that an expression leads to. */
import { isClass, methodName, propertyName, unwrap, type AnyNode, type CallExpression, type ClassNode } from './ast.ts';
import type { Binding, Origin, Path } from './bindings.ts';
import { Fields } from './fields.ts';
import type { Functions } from './functions.ts';
import type { Part, Region } from './regions.ts';
import type { Role, Roles } from './roles.ts';
import type { Slot } from './slot.ts';
import type { SourceModel } from './source-model.ts';
import type { Work } from './work-calls.ts';

const MAX_DEPTH = 12;
/** The maximum number of expressions that are visited for one change. */
const MAX_VISITS = 1000;
/** Methods whose result is an element of the object. */
const ELEMENT_METHODS = /^(get|at|find|findLast|pop|shift)$/;
/** Methods whose result leads to the elements of the object by one more property. */
const PAIR_METHODS = /^(entries)$/;
/** Methods whose result has the elements of the object, and is changed with it. */
const SAME_METHODS = /^(values|keys|sort|reverse|fill)$/;
/** Methods whose result is a new list of the same elements. */
const COPYING_METHODS = /^(filter|slice|concat|toSorted|toReversed|toSpliced|splice|with|flat)$/;
const ITERATING_METHODS = /^(forEach|map|filter|flatMap|some|every|find|findLast|findIndex|sort)$/;
/** The tools of an action, whose changes lose no data. `params` is not one of them. */
const TOOLS = /^(driver|api|signal|log|runId|session|folder|screenshot|step|batch|save|progress)$/;

export interface Viewpoint {
  readonly region: Region;
  readonly part: Part;
}

export interface SlotTools {
  readonly model: SourceModel;
  readonly functions: Functions;
  readonly roles: Roles;
  readonly works: readonly Work[];
}

/** Returns the slots that another expression leads to, by a path of properties that begins there. */
type Next = (inner: AnyNode, path: Path) => Slot[];

export class Slots {
  readonly #tools: SlotTools;
  readonly #fields: Fields;
  readonly #ofBinding = new Map<Binding, Slot>();
  #visits = 0;

  constructor(tools: SlotTools) {
    this.#tools = tools;
    this.#fields = new Fields(tools);
  }

  /**
   * Returns the slots outside of the region in which a change is visible. The path leads from `node` to the changed part: it is empty for
   * an assignment to `node`, and null for a change of its content.
   */
  outerRootsOf(node: AnyNode, path: Path, viewpoint: Viewpoint): Slot[] {
    this.#visits = 0;
    const found = this.#rootsOf(node, path, viewpoint, 0).filter(
      ({ declaration }) => !viewpoint.region.has(declaration),
    );
    return [...new Set(found)];
  }

  ofBinding(binding: Binding): Slot {
    const known = this.#ofBinding.get(binding);
    if (known !== undefined) return known;
    const { name, scope, origin, references, declaration } = binding;
    const values = origin.from === 'value' && origin.path.length === 0 ? [unwrap(origin.node)] : [];
    const isKnown = values.length > 0 || origin.from === 'nothing';
    const isModuleState = scope.type === 'Program' || this.#tools.functions.runsAtLoad(declaration);
    const slot = { name, scope, isModuleState, values, isKnown, references, declaration };
    this.#ofBinding.set(binding, slot);
    return slot;
  }

  #rootsOf(node: AnyNode, path: Path, viewpoint: Viewpoint, depth: number): Slot[] {
    const { model, roles } = this.#tools;
    const expression = unwrap(node);
    const binding = model.bindingOf(expression);
    // An assignment to a variable changes only that variable, not the source of its value.
    if (path.length === 0 && binding !== undefined) return [this.ofBinding(binding)];
    const next: Next = (inner, rest) => this.#rootsOf(inner, rest, viewpoint, depth + 1);
    this.#visits += 1;
    if (depth > MAX_DEPTH || this.#visits > MAX_VISITS) return [];
    const role = roles.roleOf(expression);
    if (role !== undefined) return this.#contextRoots(role, path);
    if (binding !== undefined) return this.#rootsOfBinding(binding, path, viewpoint, next);
    const [first] = path;
    switch (expression.type) {
      case 'Identifier':
        return this.#fields.isGlobal(expression) && typeof first === 'string' ? [this.#fields.ofGlobal(first)] : [];
      case 'ThisExpression':
        return this.#rootsOfThis(expression, path, viewpoint, next);
      case 'MemberExpression':
        return next(expression.object, [propertyName(expression) ?? null, ...path]);
      case 'CallExpression':
        return this.#rootsOfCall(expression, path, next);
      case 'AwaitExpression':
      case 'SpreadElement':
        return next(expression.argument, path);
      case 'AssignmentExpression':
        return [...next(expression.left, path), ...next(expression.right, path)];
      case 'LogicalExpression':
        return [...next(expression.left, path), ...next(expression.right, path)];
      case 'ConditionalExpression':
        return [...next(expression.consequent, path), ...next(expression.alternate, path)];
      case 'NewExpression':
        return this.#rootsOfInstance(expression, path, next, { isOuter: !viewpoint.region.has(expression) });
      case 'ObjectExpression':
        return this.#rootsOfLiteral(expression, path, next);
      case 'ArrayExpression': {
        // A change of the list itself does not change its elements.
        const rest = path.slice(1);
        if (rest.length === 0) return [];
        return expression.elements.flatMap((element) => {
          if (element === null) return [];
          return element.type === 'SpreadElement' ? next(element.argument, path) : next(element, rest);
        });
      }
      default:
        return [];
    }
  }

  #contextRoots({ owner, member }: Role, path: Path): Slot[] {
    const [name, ...rest] = member === '' ? path : [member, ...path];
    const [run] = this.#tools.roles.runs;
    if (owner !== 'run' || run === undefined || typeof name !== 'string' || TOOLS.test(name)) return [];
    if (name === 'params' && rest.length === 0) return [];
    return [this.#fields.ofContext(run, [name, rest[0] ?? null])];
  }

  #rootsOfThis(node: AnyNode, path: Path, { part, region }: Viewpoint, next: Next): Slot[] {
    const { values } = this.#tools.functions;
    return values.of(node).flatMap((value) => {
      const [name] = path;
      if (value.type === 'ObjectExpression') return this.#rootsOfLiteral(value, path, next);
      if (isClass(value)) return typeof name === 'string' ? [this.#fields.ofLiteral(value, name)] : [];
      const isThis = value.type === 'ThisExpression';
      const isOuter = isThis ? part.isThisOuter : !region.has(value);
      const receivers = isThis ? [...part.receivers] : [];
      return this.#rootsOfInstance(value, path, next, { isOuter, receivers });
    });
  }

  /** The field of an instance, and the slots of the values that its class assigns to it. */
  #rootsOfInstance(
    value: AnyNode,
    path: Path,
    next: Next,
    { isOuter, receivers = [] }: { readonly isOuter: boolean; readonly receivers?: readonly ClassNode[] },
  ): Slot[] {
    const { functions } = this.#tools;
    const owner = functions.values.classOf(value);
    const [name, ...rest] = path;
    if (owner === undefined || typeof name !== 'string') return [];
    const followed = rest.length === 0 ? [] : functions.fieldValues(owner, name).flatMap((one) => next(one, rest));
    // An arrow function has the `this` of the class around it, for every caller.
    const related = receivers.filter((one) => functions.values.classes.areRelated(one, owner));
    const owners = related.length > 0 ? related : [owner];
    return isOuter ? [...owners.map((one) => this.#fields.ofClass(one, name)), ...followed] : followed;
  }

  #rootsOfLiteral(literal: AnyNode & { readonly type: 'ObjectExpression' }, path: Path, next: Next): Slot[] {
    const [name, ...rest] = path;
    if (name === undefined || (name === null && rest.length === 0)) return [];
    const spreads = literal.properties.filter(({ type }) => type === 'SpreadElement');
    const members = this.#tools.functions.values.membersOf(literal, name);
    const followed =
      rest.length === 0
        ? []
        : [...members.flatMap((one) => next(one, rest)), ...spreads.flatMap((one) => next(one, path))];
    return name === null ? followed : [this.#fields.ofLiteral(literal, name), ...followed];
  }

  /** `rows.get(x)`, `Object.values(rows)`, `rows.filter(…)`, and calls of local functions. */
  #rootsOfCall(call: CallExpression, path: Path, next: Next): Slot[] {
    const { functions } = this.#tools;
    const { callee } = call;
    const owners = functions.resolve(callee);
    if (owners.length > 0)
      return owners.flatMap((owner) => functions.returnsOf(owner).flatMap((one) => next(one, path)));
    if (callee.type !== 'MemberExpression') return [];
    const name = methodName(call) ?? '';
    const { object } = callee;
    const [argument] = call.arguments;
    const isStatic = object.type === 'Identifier' && /^(Object|Array|Promise)$/.test(object.name);
    const subject = isStatic ? argument : object;
    if (subject === undefined) return [];
    if (isStatic && /^(freeze|seal|assign|resolve)$/.test(name)) return next(subject, path);
    if (ELEMENT_METHODS.test(name)) return next(subject, [null, ...path]);
    if (SAME_METHODS.test(name)) return next(subject, path);
    if (PAIR_METHODS.test(name)) return path.length > 1 ? next(subject, path.slice(1)) : next(subject, path);
    if (COPYING_METHODS.test(name) || (isStatic && name === 'from')) return path.length > 1 ? next(subject, path) : [];
    return [];
  }

  #rootsOfBinding(binding: Binding, path: Path, viewpoint: Viewpoint, next: Next): Slot[] {
    const { origin, isRest } = binding;
    const self = this.ofBinding(binding);
    if (isRest) return [self];
    switch (origin.from) {
      case 'import':
        return [];
      case 'each':
        return orElse(next(origin.node, [null, ...origin.path, ...path]), self);
      case 'value':
        return this.#rootsOfValue(origin.node, [...origin.path, ...path], self, next);
      case 'nothing':
        return [self, ...this.#assignedTo(binding).flatMap((value) => next(value, path))];
      case 'parameter':
        return this.#rootsOfParameter(origin, path, viewpoint, next) ?? [self];
      case 'function':
        return typeof path[0] === 'string' ? [this.#fields.ofLiteral(origin.node, path[0])] : [];
      case 'class':
        return typeof path[0] === 'string' ? [this.#fields.ofLiteral(origin.node, path[0])] : [self];
    }
  }

  #rootsOfValue(node: AnyNode, path: Path, self: Slot, next: Next): Slot[] {
    const found = next(node, path);
    const { functions } = this.#tools;
    const value = unwrap(node);
    // Fields of an instance are separate slots.
    const isInstance = typeof path[0] === 'string' && functions.classOf(value) !== undefined;
    if (isInstance && path.length > 0) return found;
    const isMade = /^(ObjectExpression|ArrayExpression|NewExpression|CallExpression|AwaitExpression)$/.test(value.type);
    return isMade && !isPartCall(value) ? [self, ...found] : orElse(found, self);
  }

  #assignedTo({ references }: Binding): readonly AnyNode[] {
    return references.flatMap((reference) => {
      const parent = this.#tools.model.parentOf(reference);
      return parent?.type === 'AssignmentExpression' && parent.left === reference ? parent.right : [];
    });
  }

  /** Returns undefined if the value of the parameter is unknown. */
  #rootsOfParameter(
    { owner, index, path: inner }: Origin & { readonly from: 'parameter' },
    path: Path,
    { region }: Viewpoint,
    next: Next,
  ): Slot[] | undefined {
    const { model, functions, works } = this.#tools;
    const whole = [...inner, ...path];
    const work = works.find((candidate) => candidate.owner === owner);
    if (work !== undefined) {
      const items = work.call.arguments[1];
      return work.kind === 'batch' && index === 0 && items !== undefined ? next(items, [null, ...whole]) : undefined;
    }
    const parent = model.parentOf(owner);
    if (
      parent?.type === 'CallExpression' &&
      parent.callee.type === 'MemberExpression' &&
      parent.arguments[0] === owner &&
      functions.resolve(parent.callee).length === 0
    ) {
      return index === 0 && ITERATING_METHODS.test(methodName(parent) ?? '')
        ? next(parent.callee.object, [null, ...whole])
        : undefined;
    }
    const sites = functions.sitesOf(owner);
    // For a helper that the region calls, only the arguments of the region count.
    const inside = sites.filter((site) => region.has(site));
    const parameter = owner.params[index];
    const byDefault = parameter?.type === 'AssignmentPattern' ? parameter.right : undefined;
    const given = (region.has(owner) && inside.length > 0 ? inside : sites).map((site) => {
      const isSpread = site.arguments.slice(0, index + 1).some(({ type }) => type === 'SpreadElement');
      return isSpread ? undefined : (site.arguments[index] ?? byDefault);
    });
    if (given.length === 0 || given.includes(undefined)) return undefined;
    return given.flatMap((found) => (found === undefined ? [] : next(found, whole)));
  }
}

/** Returns whether the result of a call is a part of an existing value. */
function isPartCall(node: AnyNode): boolean {
  return node.type === 'CallExpression' && ELEMENT_METHODS.test(methodName(node) ?? '');
}

function orElse(found: Slot[], otherwise: Slot): Slot[] {
  return found.length > 0 ? found : [otherwise];
}
