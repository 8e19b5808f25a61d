/** Decides whether a change that a replay leaves out loses data: whether other code reads what the work of a step changes. */
import { isFunction, isLoop, isWithin, keyName, methodName, propertyName, type AnyNode } from './ast.ts';
import type { Binding } from './bindings.ts';
import type { Functions } from './functions.ts';
import type { Region, Regions } from './regions.ts';
import type { Roles } from './roles.ts';
import { isOnlyShown } from './shown.ts';
import type { Slot } from './slot.ts';
import type { SourceModel } from './source-model.ts';
import type { Work } from './work-calls.ts';
import { isOnlyWritten, isValueUsed, type Write } from './writes.ts';

export interface ReadTools {
  readonly model: SourceModel;
  readonly functions: Functions;
  readonly roles: Roles;
  readonly regions: Regions;
  readonly works: readonly Work[];
}

/** The changes that one region makes to one slot. */
export interface Change {
  readonly slot: Slot;
  readonly writes: readonly Write[];
  readonly region: Region;
}

export class Reads {
  readonly #tools: ReadTools;
  /** Returns the changes that each work makes to a slot. */
  readonly #changesOf: (slot: Slot) => readonly Change[];

  constructor(tools: ReadTools, changesOf: (slot: Slot) => readonly Change[]) {
    this.#tools = tools;
    this.#changesOf = changesOf;
  }

  /** Returns whether a later part of the program, or a later call of the same work, reads what `work` changes. */
  isMissed(change: Change, work: Work): boolean {
    const reads = this.readsOf(change.slot);
    const inside = reads.filter((node) => change.region.has(node));
    const outside = reads.flatMap((node) => (change.region.has(node) ? this.#sitesElsewhere(node, change) : [node]));
    const others = this.#changesOf(change.slot);
    const isInner = change.writes.every((write) => changesPartOnly(write));
    const isNeeded = (node: AnyNode) =>
      !isItems(node, work) &&
      !(isInner && isSize(node, this.#tools.model)) &&
      this.#canFollow(node, work.site, change.slot) &&
      !others.some((other) => other.region.has(node) && this.#setsBefore(other, node));
    if (outside.some(isNeeded)) return true;
    const isRepeated =
      this.#isRepeated(work.site, change.slot, work.kind === 'batch') || this.#isShared(change, others);
    return isRepeated && isCarried(change, inside, this.#tools.model);
  }

  /** The calls of a function that reads the slot, such as `() => rows`, from outside of the region that it is a part of. */
  #sitesElsewhere(node: AnyNode, { region, writes }: Change): readonly AnyNode[] {
    const { model, functions } = this.#tools;
    const owner = model.functionAround(node);
    if (owner === undefined || owner === region.root || writes.some((write) => isWithin(write.node, owner))) return [];
    return functions.sitesOf(owner).filter((site) => !region.has(site) && isValueUsed(site, model));
  }

  /** Returns whether another step makes the same change by the same code. */
  #isShared({ writes }: Change, others: readonly Change[]): boolean {
    const sharing = others.filter((other) =>
      other.writes.some(({ node }) => writes.some((write) => write.node === node)),
    );
    return sharing.length > 1;
  }

  /** Returns whether a work sets the slot before it reads it: always, or if the slot has no value. */
  #setsBefore({ writes }: Change, read: AnyNode): boolean {
    const { model } = this.#tools;
    if (writes.every(({ kind }) => kind === 'fill')) return true;
    return writes.some(
      (write) => write.kind === 'replace' && isWhole(write, model) && dominates(write.node, read, model),
    );
  }

  /** Returns the uses of the slot that read its content. A use that is only logged does not count. */
  readsOf(slot: Slot): AnyNode[] {
    const references = slot.references.flatMap((node) => this.#followArgument(node));
    return references.filter((node) => !isOnlyWritten(node, this.#tools) && !isOnlyShown(node, this.#tools));
  }

  /** Returns the uses of the parameter for an argument of a local function; otherwise the use itself. */
  #followArgument(node: AnyNode, depth = 0): readonly AnyNode[] {
    const { model, functions } = this.#tools;
    const parent = model.parentOf(node);
    const isProperty = parent?.type === 'Property' && parent.value === node;
    const argument = isProperty ? model.parentOf(parent) : node;
    const call = argument === undefined ? undefined : model.parentOf(argument);
    if (argument === undefined || call?.type !== 'CallExpression' || depth > 3) return [node];
    const index = call.arguments.findIndex((one) => one === argument);
    const targets = index === -1 ? [] : functions.resolve(call.callee);
    if (targets.length === 0) return [node];
    const parameters = model.bindings.filter(
      ({ origin }) => origin.from === 'parameter' && origin.index === index && targets.includes(origin.owner),
    );
    const path = isProperty ? [keyName(parent) ?? null] : [];
    const isSame = ({ origin }: Binding) => origin.from === 'parameter' && origin.path.join('.') === path.join('.');
    // A parameter that takes the whole object, or only parts of the list, is not followed.
    if (
      !parameters.every(
        (parameter) =>
          isSame(parameter) ||
          (isProperty && parameter.origin.from === 'parameter' && parameter.origin.path.length > 0),
      )
    )
      return [node];
    return parameters
      .filter(isSame)
      .flatMap(({ references }) => references.flatMap((reference) => this.#followArgument(reference, depth + 1)));
  }

  /** The function that a node belongs to. Functions passed to other calls, such as `rows.map(…)`, belong to the code around the call. */
  #homeOf(node: AnyNode): AnyNode | undefined {
    const { model, works } = this.#tools;
    for (const ancestor of model.ancestors(node)) {
      if (!isFunction(ancestor)) continue;
      const isInline =
        model.parentOf(ancestor)?.type === 'CallExpression' && !works.some(({ owner }) => owner === ancestor);
      if (!isInline) return ancestor;
    }
    return undefined;
  }

  /** Returns whether `node` can run after `site`. Code before it in the same function can't, except in a loop around both. */
  #canFollow(node: AnyNode, site: AnyNode, slot: Slot): boolean {
    // After a death `run` begins again with the state that the module had.
    if (slot.isModuleState) return true;
    const read = this.#siteOf(node);
    if (this.#homeOf(read) !== this.#homeOf(site) || isWithin(read, site) || read.start > site.start) return true;
    for (const ancestor of this.#tools.model.ancestors(site)) {
      // A variable of the head of a `for` loop exists during the whole loop.
      if (ancestor === slot.scope) return ancestor.type === 'ForStatement' && isWithin(read, ancestor);
      const isAround = isLoop(ancestor) || isFunction(ancestor);
      if (isAround && isWithin(read, ancestor) && ancestor !== this.#homeOf(site)) return true;
    }
    return false;
  }

  /** Returns the call of the step for a node in the work of a step; otherwise the node. */
  #siteOf(node: AnyNode): AnyNode {
    const work = this.#tools.works.find(({ owner, site }) => isWithin(node, owner) && isWithin(owner, site));
    return work === undefined ? node : work.site;
  }

  /** Returns whether the call can happen more than once during the life of the slot. */
  #isRepeated(site: AnyNode, slot: Slot, isBatch: boolean, depth = 0): boolean {
    if (isBatch || slot.isModuleState || depth > 4) return true;
    const { model, functions } = this.#tools;
    for (const ancestor of model.ancestors(site)) {
      if (ancestor === slot.scope) return ancestor.type === 'ForStatement';
      if (isLoop(ancestor)) return true;
      if (!isFunction(ancestor)) continue;
      const parent = model.parentOf(ancestor);
      if (parent?.type === 'CallExpression' && parent.callee !== ancestor) return true;
      const sites = functions.sitesOf(ancestor);
      if (sites.length > 1) return true;
      const [only] = sites;
      if (only !== undefined && this.#isRepeated(only, slot, false, depth + 1)) return true;
    }
    return false;
  }
}

/** Returns whether the node is in the items of the batch, which are read when it begins. */
function isItems(node: AnyNode, { kind, call }: Work): boolean {
  return kind === 'batch' && call.arguments[1] !== undefined && isWithin(node, call.arguments[1]);
}

/** Returns whether only a property of an element of the list or the map changes, so that the number of elements stays the same. */
function changesPartOnly({ node }: Write): boolean {
  if (node.type !== 'AssignmentExpression' || node.left.type !== 'MemberExpression') return false;
  return propertyName(node.left) !== 'length' && propertyName(node.left) !== undefined;
}

function isSize(node: AnyNode, model: SourceModel): boolean {
  const parent = model.parentOf(node);
  return parent?.type === 'MemberExpression' && /^(length|size)$/.test(propertyName(parent) ?? '');
}

/** Returns whether a read within the work gets a value that an earlier call of the same work has set. */
export function isCarried({ writes, slot }: Change, reads: readonly AnyNode[], model: SourceModel): boolean {
  const isReset = (write: Write) => write.kind === 'replace' && isWhole(write, model);
  const resets = writes.filter(isReset);
  return writes.some((write) => {
    if (write.kind === 'fill') return slot.isModuleState && write.values.some(isFlag);
    // A replaced value is carried over only if it is read first, or is made from the previous value.
    if (write.kind === 'replace') {
      const home = model.functionAround(write.node);
      return reads.some(
        (read) =>
          read.start < write.node.end &&
          model.functionAround(read) === home &&
          !isWithin(read, targetOf(write.node)) &&
          !resets.some((reset) => reset !== write && reset.node.end <= read.start),
      );
    }
    const needed = reads.filter(
      (read) => !resets.some((reset) => dominates(reset.node, write.node, model) && reset.node.start < read.start),
    );
    if (write.kind === 'entry' && needed.some((read) => isLookUp(read, model)))
      return needed.some((read) => !isLookUp(read, model) && !isPresenceTest(read, model));
    return needed.length > 0;
  });
}

/** A flag such as `isLoggedIn = true` describes a session. Another value that is only stored is also valid for the next session. */
function isFlag(value: AnyNode): boolean {
  return value.type === 'Literal' && typeof value.value === 'boolean';
}

function isWhole({ node }: Write, model: SourceModel): boolean {
  if (model.parentOf(node)?.type !== 'ExpressionStatement') return false;
  if (node.type === 'CallExpression') return methodName(node) === 'clear';
  if (node.type !== 'AssignmentExpression') return false;
  const { left } = node;
  if (left.type === 'Identifier') return true;
  return left.type === 'MemberExpression' && (propertyName(left) === 'length' || left.object.type === 'ThisExpression');
}

/** Returns whether `first` always runs before `second`: its block contains the other one. */
function dominates(first: AnyNode, second: AnyNode, model: SourceModel): boolean {
  if (first.start >= second.start) return false;
  for (const ancestor of model.ancestors(first)) {
    if (ancestor.type === 'BlockStatement') return isWithin(second, ancestor);
  }
  return false;
}

function targetOf(node: AnyNode): AnyNode {
  return node.type === 'AssignmentExpression' ? node.left : node;
}

/** `cache.get(x)`, `cache[x]`. */
function isLookUp(node: AnyNode, model: SourceModel): boolean {
  const parent = model.parentOf(node);
  if (parent?.type !== 'MemberExpression' || parent.object !== node) return false;
  return parent.computed || propertyName(parent) === 'get';
}

function isPresenceTest(node: AnyNode, model: SourceModel): boolean {
  const parent = model.parentOf(node);
  if (parent?.type === 'BinaryExpression') return parent.operator === 'in' && parent.right === node;
  return parent?.type === 'MemberExpression' && propertyName(parent) === 'has';
}
