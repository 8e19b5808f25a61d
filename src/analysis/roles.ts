/** Finds the variables that are members of an action's context (`step`, `driver`, …), under every name. */
import { keyName, propertyName, unwrap, type AnyNode, type FunctionNode } from './ast.ts';
import type { Binding, Path } from './bindings.ts';
import { followPath, type Functions } from './functions.ts';
import type { SourceModel } from './source-model.ts';

export interface Role {
  /** The object that it belongs to: the context of `run`, or the tools that a step or a batch gives to its work. */
  readonly owner: 'run' | 'step' | 'batch';
  /** The name of the member; empty for the whole object. */
  readonly member: string;
}

/** A function that a step or a batch calls. */
export interface WorkOwner {
  readonly kind: 'step' | 'batch';
}

export class Roles {
  readonly #model: SourceModel;
  readonly #functions: Functions;
  readonly #ofWork: (owner: FunctionNode) => WorkOwner | undefined;
  readonly #known = new Map<Binding, Role | undefined>();
  readonly #runs: ReadonlySet<FunctionNode>;
  readonly #prepares: ReadonlySet<FunctionNode>;

  /** `ofWork` returns whether a function is the work of a step or a batch. */
  constructor(model: SourceModel, functions: Functions, ofWork: (owner: FunctionNode) => WorkOwner | undefined) {
    this.#model = model;
    this.#functions = functions;
    this.#ofWork = ofWork;
    this.#runs = new Set(this.#findMethods('run'));
    this.#prepares = new Set(this.#findMethods('prepare'));
  }

  /** The functions `run` of the actions in these files. */
  get runs(): ReadonlySet<FunctionNode> {
    return this.#runs;
  }

  get prepares(): ReadonlySet<FunctionNode> {
    return this.#prepares;
  }

  roleOf(node: AnyNode): Role | undefined {
    const expression = unwrap(node);
    if (expression.type === 'Identifier') {
      const binding = this.#model.bindingOf(expression);
      return binding === undefined ? undefined : this.roleOfBinding(binding);
    }
    if (expression.type !== 'MemberExpression') return undefined;
    const name = propertyName(expression);
    if (name === undefined) return undefined;
    const whole = this.roleOf(expression.object);
    if (whole !== undefined) return enter(whole, [name]);
    const owner = this.#functions.classOf(expression.object);
    const values = owner === undefined ? [] : this.#functions.fieldValues(owner, name);
    return unanimous(values.map((value) => this.roleOf(value)));
  }

  roleOfBinding(binding: Binding): Role | undefined {
    if (this.#known.has(binding)) return this.#known.get(binding);
    // A variable that depends on itself has no role.
    this.#known.set(binding, undefined);
    const role = this.#find(binding);
    this.#known.set(binding, role);
    return role;
  }

  #find({ origin }: Binding): Role | undefined {
    if (origin.from === 'value') return this.#roleAt(origin.node, origin.path);
    if (origin.from !== 'parameter') return undefined;
    const { owner, index, path } = origin;
    if (this.#runs.has(owner) || this.#prepares.has(owner))
      return index === 0 ? enter({ owner: 'run', member: '' }, path) : undefined;
    const work = this.#ofWork(owner);
    if (work !== undefined)
      return index === (work.kind === 'step' ? 0 : 1) ? enter({ owner: work.kind, member: '' }, path) : undefined;
    const sites = this.#functions.sitesOf(owner);
    // An exported helper has no call in these files. If it destructures `step` or `batch` from its parameter, that is a context.
    if (sites.length === 0 && this.#looksLikeContext(owner.params[index]))
      return enter({ owner: 'run', member: '' }, path);
    const roles = sites.map((site) => {
      const given = this.#functions.argumentAt(site, { index, path });
      return given === undefined ? undefined : this.#roleAt(...given);
    });
    return unanimous(roles);
  }

  /** Returns whether `step` or `batch` is destructured from a parameter, or called on it. */
  #looksLikeContext(parameter: AnyNode | undefined): boolean {
    if (parameter?.type !== 'Identifier') return parameter !== undefined && takesSteps(parameter);
    const references = this.#model.bindingOf(parameter)?.references ?? [];
    return references.some((reference) => {
      const parent = this.#model.parentOf(reference);
      if (parent?.type === 'VariableDeclarator') return parent.init === reference && takesSteps(parent.id);
      if (parent?.type !== 'MemberExpression' || parent.object !== reference) return false;
      return isStepName(propertyName(parent)) && this.#model.parentOf(parent)?.type === 'CallExpression';
    });
  }

  #roleAt(node: AnyNode, path: Path): Role | undefined {
    const [reached, rest] = followPath(node, path);
    const role = this.roleOf(reached);
    return role === undefined ? undefined : enter(role, rest);
  }

  /** The functions that are passed to `defineAction` under this name. */
  #findMethods(name: 'run' | 'prepare'): FunctionNode[] {
    return this.#model.calls.flatMap((call) => {
      if (!this.#isDefineAction(call.callee) || call.arguments[0] === undefined) return [];
      const definition = this.#valueOf(call.arguments[0]);
      const [reached, rest] = followPath(definition, [name]);
      return rest.length === 0 ? this.#functions.resolve(reached) : [];
    });
  }

  #isDefineAction(callee: AnyNode): boolean {
    if (callee.type === 'MemberExpression') return propertyName(callee) === 'defineAction';
    if (callee.type !== 'Identifier') return false;
    const origin = this.#model.bindingOf(callee)?.origin;
    return (origin?.from === 'import' ? origin.name : callee.name) === 'defineAction';
  }

  #valueOf(node: AnyNode): AnyNode {
    const origin = node.type === 'Identifier' ? this.#model.bindingOf(node)?.origin : undefined;
    return origin?.from === 'value' && origin.path.length === 0 ? unwrap(origin.node) : unwrap(node);
  }
}

/** The role of a member of a value with the role `whole`. A part of a member has no role. */
function enter(whole: Role, path: Path): Role | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return whole;
  return whole.member === '' && name !== null && rest.length === 0 ? { ...whole, member: name } : undefined;
}

function unanimous(roles: readonly (Role | undefined)[]): Role | undefined {
  const [first] = roles;
  return roles.every((role) => role?.owner === first?.owner && role?.member === first?.member) ? first : undefined;
}

function takesSteps(pattern: AnyNode): boolean {
  return (
    pattern.type === 'ObjectPattern' &&
    pattern.properties.some((property) => property.type === 'Property' && isStepName(keyName(property)))
  );
}

function isStepName(name: string | undefined): boolean {
  return name === 'step' || name === 'batch';
}
