/** Finds the code that runs when a function is called: its own, that of functions within it, and that of local functions that it calls. */
import { isFunction, propertyName, unwrap, type AnyNode, type ClassNode, type FunctionNode } from './ast.ts';
import type { Origin, Path } from './bindings.ts';
import type { Functions } from './functions.ts';
import { Listeners } from './listeners.ts';
import type { SourceModel } from './source-model.ts';
import { argumentOf } from './values.ts';
import { runsInBrowser, type Work } from './work-calls.ts';

const MAX_DEPTH = 8;

/** One function of a region. */
export interface Part {
  readonly owner: FunctionNode;
  readonly nodes: readonly AnyNode[];
  /** True if `this` is an object that existed before the region was entered. */
  readonly isThisOuter: boolean;
  /** The classes whose instance `this` can be, as far as calls of the function show them. */
  readonly receivers: ReadonlySet<ClassNode>;
}

export interface Region {
  readonly root: FunctionNode;
  readonly parts: readonly Part[];
  has(node: AnyNode): boolean;
}

export class Regions {
  readonly #model: SourceModel;
  readonly #functions: Functions;
  readonly #works: ReadonlySet<FunctionNode>;
  readonly #known = new Map<FunctionNode, Region>();
  #listeners: Listeners | undefined;

  constructor(model: SourceModel, functions: Functions, works: readonly Work[]) {
    this.#model = model;
    this.#functions = functions;
    this.#works = new Set(works.map(({ owner }) => owner));
  }

  /** Returns the region of `root`, without the work of steps within it, which has its own regions. */
  of(root: FunctionNode): Region {
    const known = this.#known.get(root);
    if (known !== undefined) return known;
    const region = this.#make(root);
    this.#known.set(root, region);
    return region;
  }

  #make(root: FunctionNode): Region {
    const parts = new Map<FunctionNode, Part>();
    const members = new Set<AnyNode>();
    const queue: Omit<Part, 'nodes'>[] = [{ owner: root, isThisOuter: true, receivers: new Set() }];
    for (const { owner, isThisOuter, receivers: given } of queue) {
      const known = parts.get(owner);
      if (known === undefined && members.has(owner)) continue;
      const receivers = new Set([...(known?.receivers ?? []), ...(isThisOuter ? given : [])]);
      const isOuterKnown = known?.isThisOuter === true || !isThisOuter;
      if (known !== undefined && isOuterKnown && receivers.size === known.receivers.size) continue;
      const isElsewhere = (node: AnyNode) =>
        isFunction(node) && (this.#works.has(node) || runsInBrowser(node, this.#model));
      const nodes = known?.nodes ?? this.#model.nodesWithin(owner, isElsewhere);
      parts.set(owner, { owner, nodes, isThisOuter, receivers });
      for (const node of nodes) members.add(node);
      for (const { target, callee } of nodes.flatMap((node) => this.#calledBy(node, members))) {
        if (this.#works.has(target)) continue;
        queue.push({
          owner: target,
          isThisOuter: this.#isObjectOuter(callee, { members, isThisOuter }),
          receivers: this.#receiversOf(callee) ?? receivers,
        });
      }
    }
    return { root, parts: [...parts.values()], has: (node) => members.has(node) };
  }

  /** The functions that a node calls, also functions passed to calls, such as `rows.map(parse)`, and listeners of an emitted event. */
  #calledBy(node: AnyNode, members: ReadonlySet<AnyNode>): readonly Call[] {
    if (node.type === 'NewExpression') {
      return this.#functions.constructorsOf(node).map((target) => ({ target, callee: node }));
    }
    if (node.type !== 'CallExpression') return [];
    const named = node.arguments.filter(({ type }) => type === 'Identifier' || type === 'MemberExpression');
    const called = [node.callee, ...named].flatMap((callee) =>
      this.#resolve(callee, members).map((target) => ({ target, callee })),
    );
    this.#listeners ??= new Listeners(this.#model, this.#functions);
    return [...called, ...this.#listeners.calledBy(node).map((target) => ({ target, callee: target }))];
  }

  /** The functions that `callee` can refer to, if parameters only have the arguments of calls within the region. */
  #resolve(
    callee: AnyNode,
    members: ReadonlySet<AnyNode>,
    path: Path = [],
    seen: ReadonlySet<AnyNode> = new Set(),
  ): readonly FunctionNode[] {
    const expression = unwrap(callee);
    if (expression.type === 'MemberExpression' && this.#parameterOf(expression.object) !== undefined)
      return this.#resolve(expression.object, members, [propertyName(expression) ?? null, ...path], seen);
    const possible = this.#functions.values.at(expression, path).filter(isFunction);
    const origin = this.#parameterOf(expression);
    const sites = origin === undefined ? [] : this.#functions.sitesOf(origin.owner).filter((site) => members.has(site));
    const isGiven = origin !== undefined && members.has(origin.owner) && sites.length > 0;
    // Only a parameter that can be several functions is followed to its calls.
    if (!isGiven || possible.length < 2 || seen.has(origin.owner) || seen.size > MAX_DEPTH) return possible;
    const within = new Set([...seen, origin.owner]);
    const found = sites.flatMap((site) => {
      const argument = argumentOf(site, origin.index);
      return argument === undefined ? [] : this.#resolve(argument, members, [...origin.path, ...path], within);
    });
    return [...new Set(found)];
  }

  #parameterOf(node: AnyNode): (Origin & { readonly from: 'parameter' }) | undefined {
    const origin = this.#model.bindingOf(unwrap(node))?.origin;
    return origin?.from === 'parameter' ? origin : undefined;
  }

  /** The classes of the object of a called method; undefined if `this` is the same as in the caller. */
  #receiversOf(callee: AnyNode): ReadonlySet<ClassNode> | undefined {
    const expression = unwrap(callee);
    if (expression.type !== 'MemberExpression') return undefined;
    const object = unwrap(expression.object);
    if (object.type === 'ThisExpression' || object.type === 'Super') return undefined;
    const { values } = this.#functions;
    return new Set(values.of(object).flatMap((value) => values.classOf(value) ?? []));
  }

  /** Returns whether the object of a called method existed before the region was entered. */
  #isObjectOuter(callee: AnyNode, surroundings: Surroundings): boolean {
    const expression = unwrap(callee);
    if (expression.type === 'NewExpression') return false;
    if (expression.type === 'MemberExpression') return this.#isOuter(expression.object, surroundings);
    return expression.type !== 'Identifier' || surroundings.isThisOuter;
  }

  #isOuter(node: AnyNode, surroundings: Surroundings, seen = new Set<AnyNode>()): boolean {
    const expression = unwrap(node);
    const next = (inner: AnyNode) => this.#isOuter(inner, surroundings, seen);
    const { members, isThisOuter } = surroundings;
    if (seen.has(expression)) return false;
    seen.add(expression);
    switch (expression.type) {
      case 'ThisExpression':
      case 'Super':
        return isThisOuter;
      case 'MemberExpression':
        return next(expression.object);
      case 'AwaitExpression':
        return next(expression.argument);
      case 'ConditionalExpression':
        return next(expression.consequent) || next(expression.alternate);
      case 'LogicalExpression':
        return next(expression.left) || next(expression.right);
      case 'CallExpression': {
        const functions = this.#functions.resolve(expression.callee);
        return functions.some((owner) => this.#functions.returnsOf(owner).some(next));
      }
      case 'Identifier':
        break;
      default:
        return false;
    }
    const binding = this.#model.bindingOf(expression);
    if (binding === undefined) return false;
    if (!members.has(binding.declaration)) return true;
    const { origin } = binding;
    if (origin.from === 'value' || origin.from === 'each') return next(origin.node);
    if (origin.from !== 'parameter') return false;
    const sites = this.#functions.sitesOf(origin.owner).filter((site) => members.has(site));
    return sites.some((site) => {
      const [argument] = this.#functions.argumentAt(site, origin) ?? [];
      return argument !== undefined && next(argument);
    });
  }
}

interface Surroundings {
  readonly members: ReadonlySet<AnyNode>;
  readonly isThisOuter: boolean;
}

interface Call {
  readonly target: FunctionNode;
  readonly callee: AnyNode;
}
