/** The code that runs when a function is called: its own, that of functions within it, and that of local functions that it calls. */
import { isFunction, unwrap, type AnyNode, type FunctionNode } from './ast.ts';
import type { Functions } from './functions.ts';
import type { SourceModel } from './source-model.ts';
import { runsInBrowser, type Work } from './work-calls.ts';

/** One function of a region. */
export interface Part {
  readonly owner: FunctionNode;
  readonly nodes: readonly AnyNode[];
  /** Whether `this` is an object that was there before the region was entered. */
  readonly isThisOuter: boolean;
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

  constructor(model: SourceModel, functions: Functions, works: readonly Work[]) {
    this.#model = model;
    this.#functions = functions;
    this.#works = new Set(works.map(({ owner }) => owner));
  }

  /** The region of `root`. The work of steps within it has regions of its own and is left out. */
  of(root: FunctionNode): Region {
    const known = this.#known.get(root);
    if (known !== undefined) return known;
    const region = this.#make(root);
    this.#known.set(root, region);
    return region;
  }

  #make(root: FunctionNode): Region {
    const parts: Part[] = [];
    const members = new Set<AnyNode>();
    const queue: { readonly owner: FunctionNode; readonly isThisOuter: boolean }[] = [
      { owner: root, isThisOuter: true },
    ];
    for (const { owner, isThisOuter } of queue) {
      if (members.has(owner)) continue;
      const isElsewhere = (node: AnyNode) =>
        isFunction(node) && (this.#works.has(node) || runsInBrowser(node, this.#model));
      const nodes = this.#model.nodesWithin(owner, isElsewhere);
      parts.push({ owner, nodes, isThisOuter });
      for (const node of nodes) members.add(node);
      for (const { target, callee } of nodes.flatMap((node) => this.#calledBy(node))) {
        if (members.has(target) || this.#works.has(target)) continue;
        queue.push({ owner: target, isThisOuter: this.#isObjectOuter(callee, { members, isThisOuter }) });
      }
    }
    return { root, parts, has: (node) => members.has(node) };
  }

  /** Functions given to other calls, such as `rows.map(parse)`, count as called. */
  #calledBy(node: AnyNode): { readonly target: FunctionNode; readonly callee: AnyNode }[] {
    if (node.type === 'NewExpression') {
      return this.#functions.constructorsOf(node).map((target) => ({ target, callee: node }));
    }
    if (node.type !== 'CallExpression') return [];
    const named = node.arguments.filter(({ type }) => type === 'Identifier' || type === 'MemberExpression');
    return [node.callee, ...named].flatMap((callee) =>
      this.#functions.resolve(callee).map((target) => ({ target, callee })),
    );
  }

  /** Whether the object of a called method was there before the region was entered. */
  #isObjectOuter(
    callee: AnyNode,
    { members, isThisOuter }: { readonly members: ReadonlySet<AnyNode>; readonly isThisOuter: boolean },
  ): boolean {
    const expression = unwrap(callee);
    if (expression.type === 'NewExpression') return false;
    if (expression.type !== 'MemberExpression') return isThisOuter;
    let object = unwrap(expression.object);
    while (object.type === 'MemberExpression') object = unwrap(object.object);
    if (object.type === 'ThisExpression') return isThisOuter;
    if (object.type !== 'Identifier') return false;
    const declaration = this.#model.bindingOf(object)?.declaration;
    return declaration !== undefined && !members.has(declaration);
  }
}
