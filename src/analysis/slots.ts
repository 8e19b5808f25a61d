/** A slot is what code can change and other code can see: a variable, or a field of a class. Finds which slots an expression leads to. */
import { methodName, propertyName, unwrap, type AnyNode, type CallExpression, type ClassNode } from './ast.ts';
import type { Binding, Origin } from './bindings.ts';
import { followPath, type Functions } from './functions.ts';
import type { Part, Region } from './regions.ts';
import type { Roles } from './roles.ts';
import type { SourceModel } from './source-model.ts';
import type { Work } from './work-calls.ts';

const MAX_DEPTH = 8;
/** Methods whose result is a part of the object, or leads to its parts. */
const PART_METHODS = /^(get|at|find|findLast|values|entries|keys)$/;
const ITERATING_METHODS = /^(forEach|map|filter|flatMap|some|every|find|findLast|findIndex|sort)$/;

export interface Slot {
  readonly name: string;
  /** The node within which the slot lives: each time that it is entered, there is a new one. */
  readonly scope: AnyNode;
  readonly isModuleState: boolean;
  /** The value at the declaration; for a field also the values that its class assigns. */
  readonly values: readonly AnyNode[];
  /** Whether `values` is all that it can be; a parameter can be anything. */
  readonly isKnown: boolean;
  readonly references: readonly AnyNode[];
  readonly declaration: AnyNode;
}

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

export class Slots {
  readonly #tools: SlotTools;
  readonly #ofBinding = new Map<Binding, Slot>();
  readonly #ofField = new Map<ClassNode, Map<string, Slot>>();

  constructor(tools: SlotTools) {
    this.#tools = tools;
  }

  /** The slots outside of the region whose content `node` is, or a part of it. */
  outerRootsOf(node: AnyNode, viewpoint: Viewpoint): Slot[] {
    const found = this.#rootsOf(node, viewpoint, 0).filter(({ declaration }) => !viewpoint.region.has(declaration));
    return [...new Set(found)];
  }

  ofBinding(binding: Binding): Slot {
    const known = this.#ofBinding.get(binding);
    if (known !== undefined) return known;
    const { name, scope, origin, references, declaration } = binding;
    const values = origin.from === 'value' && origin.path.length === 0 ? [unwrap(origin.node)] : [];
    const isKnown = values.length > 0 || origin.from === 'nothing';
    const isModuleState = scope.type === 'Program';
    const slot = { name, scope, isModuleState, values, isKnown, references, declaration };
    this.#ofBinding.set(binding, slot);
    return slot;
  }

  /** The slots of the variables that are declared in these files. */
  *all(): Generator<Slot> {
    for (const binding of this.#tools.model.bindings) yield this.ofBinding(binding);
  }

  #rootsOf(node: AnyNode, viewpoint: Viewpoint, depth: number): Slot[] {
    const expression = unwrap(node);
    const next = (inner: AnyNode) => this.#rootsOf(inner, viewpoint, depth + 1);
    if (depth > MAX_DEPTH) return [];
    switch (expression.type) {
      case 'Identifier': {
        const binding = this.#tools.model.bindingOf(expression);
        return binding === undefined ? [] : this.#rootsOfBinding(binding, viewpoint, depth);
      }
      case 'MemberExpression':
        return this.#fieldRoots(expression, viewpoint) ?? next(expression.object);
      case 'CallExpression':
        return this.#rootsOfCall(expression, next);
      case 'AssignmentExpression':
        return next(expression.left);
      case 'LogicalExpression':
        return [...next(expression.left), ...next(expression.right)];
      case 'ConditionalExpression':
        return [...next(expression.consequent), ...next(expression.alternate)];
      default:
        return [];
    }
  }

  /** `rows.get(x)`, `Object.values(rows)`. */
  #rootsOfCall(call: CallExpression, next: (inner: AnyNode) => Slot[]): Slot[] {
    const { callee } = call;
    if (callee.type !== 'MemberExpression' || !PART_METHODS.test(methodName(call) ?? '')) return [];
    const isObject = callee.object.type === 'Identifier' && callee.object.name === 'Object';
    const [argument] = call.arguments;
    if (isObject) return argument === undefined ? [] : next(argument);
    return next(callee.object);
  }

  #rootsOfBinding(binding: Binding, viewpoint: Viewpoint, depth: number): Slot[] {
    const { origin } = binding;
    // Changing the tools that an action is given is no loss.
    if (this.#tools.roles.roleOfBinding(binding) !== undefined) return [];
    if (origin.from === 'import') return [];
    if (binding.isRest) return [this.ofBinding(binding)];
    const next = (inner: AnyNode) => this.#rootsOf(inner, viewpoint, depth + 1);
    if (origin.from === 'each') return orElse(next(origin.node), this.ofBinding(binding));
    if (origin.from === 'value') {
      const [reached] = followPath(origin.node, origin.path);
      return orElse(next(reached), this.ofBinding(binding));
    }
    if (origin.from !== 'parameter') return [this.ofBinding(binding)];
    return this.#rootsOfParameter(origin, next, viewpoint) ?? [this.ofBinding(binding)];
  }

  /** Undefined if what the parameter gets is not known. */
  #rootsOfParameter(
    origin: Origin & { readonly from: 'parameter' },
    next: (inner: AnyNode) => Slot[],
    { region }: Viewpoint,
  ): Slot[] | undefined {
    const { model, functions, works } = this.#tools;
    const { owner, index } = origin;
    const work = works.find((candidate) => candidate.owner === owner);
    if (work !== undefined) {
      const items = work.call.arguments[1];
      return work.kind === 'batch' && index === 0 && items !== undefined ? next(items) : undefined;
    }
    const parent = model.parentOf(owner);
    if (
      parent?.type === 'CallExpression' &&
      parent.callee.type === 'MemberExpression' &&
      parent.arguments[0] === owner
    ) {
      return index === 0 && ITERATING_METHODS.test(methodName(parent) ?? '') ? next(parent.callee.object) : undefined;
    }
    const sites = functions.sitesOf(owner);
    // A helper that the region calls gets there what the region gives it, whatever others give it elsewhere.
    const inside = sites.filter((site) => region.has(site));
    const given = (region.has(owner) && inside.length > 0 ? inside : sites).map((site) =>
      functions.argumentAt(site, origin),
    );
    if (given.length === 0 || given.includes(undefined)) return undefined;
    return given.flatMap((found) => (found === undefined ? [] : next(found[0])));
  }

  /** `this.rows`, and `shop.rows` where the class of `shop` is known; undefined for other members. */
  #fieldRoots(node: AnyNode & { readonly type: 'MemberExpression' }, { part, region }: Viewpoint): Slot[] | undefined {
    const { model, functions } = this.#tools;
    const object = unwrap(node.object);
    const name = propertyName(node);
    const owner = name === undefined ? undefined : functions.classOf(object);
    if (owner === undefined || name === undefined) return undefined;
    if (object.type === 'ThisExpression') return part.isThisOuter ? [this.#field(owner, name)] : [];
    if (object.type === 'Identifier') {
      const declaration = model.bindingOf(object)?.declaration;
      return declaration !== undefined && !region.has(declaration) ? [this.#field(owner, name)] : [];
    }
    return undefined;
  }

  #field(owner: ClassNode, name: string): Slot {
    const fields = this.#ofField.get(owner) ?? new Map<string, Slot>();
    this.#ofField.set(owner, fields);
    const known = fields.get(name);
    if (known !== undefined) return known;
    const { model, functions } = this.#tools;
    const references = model.files.flatMap(({ nodes }) =>
      nodes.filter(
        (node) =>
          node.type === 'MemberExpression' && propertyName(node) === name && functions.classOf(node.object) === owner,
      ),
    );
    const values = functions.fieldValues(owner, name).map(unwrap);
    const isKnown = values.length > 0;
    const slot = {
      name: `this.${name}`,
      scope: owner,
      isModuleState: false,
      values,
      isKnown,
      references,
      declaration: owner,
    };
    fields.set(name, slot);
    return slot;
  }
}

function orElse(found: Slot[], otherwise: Slot): Slot[] {
  return found.length > 0 ? found : [otherwise];
}
