/** Finds the changes that code makes to a variable, or to the content of a variable. */
import { isFunction, methodName, propertyName, unwrap, type AnyNode, type CallExpression } from './ast.ts';
import type { Functions } from './functions.ts';
import type { Region } from './regions.ts';
import type { Slot } from './slot.ts';
import type { Slots } from './slots.ts';
import type { SourceModel } from './source-model.ts';

/**
 * How a change depends on the previous value. `replace`: it does not. `fill`: only on whether there was a value. `entry`: it sets one entry
 * of a map. `grow`: on the whole value.
 */
export type WriteKind = 'replace' | 'fill' | 'entry' | 'grow';

export interface Write {
  readonly slot: Slot;
  readonly node: AnyNode;
  /** The expression for the changed value. */
  readonly target: AnyNode;
  readonly kind: WriteKind;
  /** The expressions for the new values. */
  readonly values: readonly AnyNode[];
}

const ARRAY_METHODS = /^(push|unshift|splice|pop|shift|copyWithin)$/;
const ORDERING_METHODS = /^(sort|reverse|fill)$/;
const COLLECTION_METHODS = /^(set|add|delete|clear|append)$/;
// A WeakMap or a WeakSet can't be listed: its content belongs to objects of one entry of `run`, such as drivers.
const COLLECTIONS = /^(Map|Set|Array|Headers|URLSearchParams|FormData|URL|Object|\w+Array)$/;

/** The probability, judged by its name alone, that a method changes a list, a map or a set. */
type Certainty = 'likely' | 'unsure';

interface Target {
  readonly target: AnyNode;
  readonly kind: WriteKind;
  readonly values: readonly AnyNode[];
  /** Present only for calls of methods. */
  readonly certainty?: Certainty;
  /** True if the content of the target changes, and not the target itself. */
  readonly isContent?: boolean;
}

export interface WriteTools {
  readonly model: SourceModel;
  readonly slots: Slots;
  readonly functions: Functions;
}

/** Returns the changes that a region makes to slots that existed before it was entered. */
export function findOuterWrites(region: Region, tools: WriteTools): Write[] {
  const { slots, functions } = tools;
  const writes: Write[] = [];
  for (const part of region.parts) {
    for (const node of part.nodes) {
      for (const { target, kind, values, certainty, isContent = false } of targetsOf(node, tools)) {
        for (const slot of slots.outerRootsOf(target, isContent ? [null] : [], { region, part })) {
          if (certainty !== undefined && !isCollection(slot, certainty, functions)) continue;
          writes.push({ slot, node, kind, values, target });
        }
      }
    }
  }
  return writes.sort((a, b) => a.node.start - b.node.start);
}

/** Returns whether `node` is only changed and not read: `x = 1`, `x.push(1)` as a statement. */
export function isOnlyWritten(node: AnyNode, tools: Pick<WriteTools, 'model' | 'functions'>): boolean {
  const { model } = tools;
  let top = node;
  let parent = model.parentOf(top);
  while (parent !== undefined && isPartOf(top, parent)) {
    top = parent;
    parent = model.parentOf(top);
  }
  if (parent === undefined) return false;
  if (parent.type === 'AssignmentExpression') return parent.left === top && !isResultUsed(parent, tools);
  if (parent.type === 'UpdateExpression') return !isResultUsed(parent, tools);
  if (parent.type === 'UnaryExpression') return parent.operator === 'delete';
  if (parent.type.endsWith('Pattern') || parent.type === 'RestElement') return isAssignedPattern(top, model);
  if ((parent.type === 'ForOfStatement' || parent.type === 'ForInStatement') && parent.left === top) return true;
  if (parent.type !== 'CallExpression') return false;
  const isChange = parent.callee === top ? isChangingMethod(methodName(parent)) : isObjectAssign(parent, top);
  return isChange && !isValueUsed(parent, model);
}

/** Returns whether the value of an expression is used, also by callers of `() => ++count`. */
function isResultUsed(node: AnyNode, { model, functions }: Pick<WriteTools, 'model' | 'functions'>): boolean {
  if (isValueUsed(node, model)) return true;
  const parent = model.parentOf(node);
  if (parent === undefined || !isFunction(parent) || parent.body !== node) return false;
  return functions.sitesOf(parent).some((site) => isValueUsed(site, model));
}

/** Returns whether the value of an expression is used. */
export function isValueUsed(node: AnyNode, model: SourceModel): boolean {
  const parent = model.parentOf(node);
  if (parent === undefined || parent.type === 'ExpressionStatement') return false;
  if (parent.type === 'UnaryExpression' && parent.operator === 'void') return false;
  if (parent.type === 'AwaitExpression' || parent.type === 'ChainExpression') return isValueUsed(parent, model);
  if (parent.type === 'LogicalExpression' && parent.right === node) return isValueUsed(parent, model);
  if (parent.type === 'ConditionalExpression' && parent.test !== node) return isValueUsed(parent, model);
  if (parent.type === 'SequenceExpression') return parent.expressions.at(-1) === node && isValueUsed(parent, model);
  if (parent.type === 'ForStatement') return parent.test === node;
  // The value of `() => rows.push(x)` is rarely used.
  return !(isFunction(parent) && parent.body === node);
}

function* targetsOf(node: AnyNode, tools: WriteTools): Generator<Target> {
  if (node.type === 'AssignmentExpression') {
    const { operator, left, right } = node;
    if (operator === '=') {
      for (const { node: target, kind } of patternTargets(left))
        yield { target, kind: isGuarded(node, target, tools.model) ? 'fill' : kind, values: [right] };
    } else {
      const kind = operator === '??=' || operator === '||=' ? 'fill' : operator === '&&=' ? 'replace' : 'grow';
      yield { target: left, kind, values: [right] };
    }
  } else if (node.type === 'UpdateExpression') yield { target: node.argument, kind: 'grow', values: [] };
  else if (node.type === 'UnaryExpression' && node.operator === 'delete' && node.argument.type === 'MemberExpression')
    yield { target: node.argument, kind: 'grow', values: [] };
  else if (
    (node.type === 'ForOfStatement' || node.type === 'ForInStatement') &&
    node.left.type !== 'VariableDeclaration'
  ) {
    for (const { node: target, kind } of patternTargets(node.left)) yield { target, kind, values: [] };
  } else if (node.type === 'CallExpression') yield* targetsOfCall(node, tools);
}

function* targetsOfCall(call: CallExpression, { model, functions }: WriteTools): Generator<Target> {
  const { callee, arguments: values } = call;
  const [first, ...others] = values;
  if (first !== undefined && isObjectAssign(call, first))
    yield { target: first, kind: 'replace', values, isContent: true };
  if (callee.type !== 'MemberExpression') {
    // `const add = rows.push.bind(rows)`
    for (const value of functions.values.of(callee)) {
      const bound = value.type === 'CallExpression' && methodName(value) === 'bind' ? value.arguments[0] : undefined;
      const method = value.type === 'CallExpression' ? objectOf(value.callee) : undefined;
      if (bound !== undefined && method?.type === 'MemberExpression')
        yield* targetsOfMethod(propertyName(method) ?? '', bound, values);
    }
    return;
  }
  // An awaited method is not one of a list, a map or a set: selenium's `await input.clear()`, or a store outside of the program.
  const parent = model.parentOf(call);
  if (parent?.type === 'AwaitExpression') return;
  // The changes of a local function are found in its own code.
  if (functions.resolve(callee).length > 0) return;
  const name = methodName(call) ?? '';
  const { object } = callee;
  // `Array.prototype.push.apply(rows, more)`
  if (/^(apply|call)$/.test(name) && object.type === 'MemberExpression' && first !== undefined)
    yield* targetsOfMethod(propertyName(object) ?? '', first, others);
  else yield* targetsOfMethod(name, object, values);
}

function objectOf(node: AnyNode): AnyNode | undefined {
  return node.type === 'MemberExpression' ? unwrap(node.object) : undefined;
}

function* targetsOfMethod(name: string, target: AnyNode, values: readonly AnyNode[]): Generator<Target> {
  const isContent = true;
  if (ARRAY_METHODS.test(name)) yield { target, kind: 'grow', values, certainty: 'likely', isContent };
  else if (ORDERING_METHODS.test(name)) yield { target, kind: 'replace', values, certainty: 'likely', isContent };
  else if (COLLECTION_METHODS.test(name)) {
    const isFixed = name === 'clear' || (name === 'set' && values[0]?.type === 'Literal');
    const kind = isFixed ? 'replace' : name === 'set' ? 'entry' : 'grow';
    yield { target, kind, values, certainty: 'unsure', isContent };
  }
}

/** The variables and properties that a pattern assigns to. */
function patternTargets(pattern: AnyNode): { readonly node: AnyNode; readonly kind: WriteKind }[] {
  if (pattern.type === 'AssignmentPattern') return patternTargets(pattern.left);
  if (pattern.type === 'RestElement') return patternTargets(pattern.argument);
  if (pattern.type === 'ArrayPattern')
    return pattern.elements.flatMap((element) => (element === null ? [] : patternTargets(element)));
  if (pattern.type === 'ObjectPattern') {
    return pattern.properties.flatMap((property) =>
      patternTargets(property.type === 'RestElement' ? property.argument : property.value),
    );
  }
  const isEntry = pattern.type === 'MemberExpression' && propertyName(pattern) === undefined;
  return [{ node: pattern, kind: isEntry ? 'entry' : 'replace' }];
}

/** `if (!x) x = …`, `x = x ?? …`. */
function isGuarded(assignment: AnyNode, target: AnyNode, model: SourceModel): boolean {
  const name = sourceName(target);
  if (name === undefined || assignment.type !== 'AssignmentExpression') return false;
  const { right } = assignment;
  if (right.type === 'LogicalExpression' && right.operator !== '&&' && sourceName(right.left) === name) return true;
  for (const ancestor of model.ancestors(assignment)) {
    if (isFunction(ancestor)) return false;
    if (ancestor.type === 'IfStatement' && assignment.start < (ancestor.alternate?.start ?? Infinity)) {
      if (testsAbsence(ancestor.test, name)) return true;
    }
  }
  return false;
}

function testsAbsence(test: AnyNode, name: string): boolean {
  if (test.type === 'UnaryExpression' && test.operator === '!') return sourceName(test.argument) === name;
  if (test.type === 'LogicalExpression') return testsAbsence(test.left, name) || testsAbsence(test.right, name);
  if (test.type !== 'BinaryExpression' || !/^===?$/.test(test.operator)) return false;
  const sides = [test.left, test.right];
  const isNothing = (node: AnyNode) =>
    (node.type === 'Literal' && (node.value === null || node.value === '' || node.value === false)) ||
    (node.type === 'Identifier' && node.name === 'undefined');
  return sides.some(isNothing) && sides.some((side) => sourceName(side) === name);
}

function sourceName(node: AnyNode): string | undefined {
  if (node.type === 'Identifier') return node.name;
  if (node.type === 'ThisExpression') return 'this';
  if (node.type !== 'MemberExpression') return undefined;
  const object = sourceName(node.object);
  const name = propertyName(node);
  return object === undefined || name === undefined ? undefined : `${object}.${name}`;
}

/** Returns whether a called method is one of a list, a map or a set. An unsure one is, only if the values of the slot show it. */
function isCollection({ values: given, isKnown }: Slot, certainty: Certainty, functions: Functions): boolean {
  const values = given.flatMap((value) => {
    const found = functions.values.of(value);
    return found.length > 0 ? found : [value];
  });
  const isForeign = (value: AnyNode) => value.type === 'NewExpression' && !isNewCollection(value, functions);
  if (certainty === 'likely') return !values.some(isForeign);
  const isMade = ({ type }: AnyNode) => /^(ArrayExpression|ObjectExpression|Literal|NewExpression)$/.test(type);
  return isKnown && values.every((value) => isMade(value) && !isForeign(value));
}

/** `new Set()`, or `new Seen()` for a class that extends a set. */
function isNewCollection(node: AnyNode & { readonly type: 'NewExpression' }, { values }: Functions): boolean {
  const owner = values.classOf(node);
  const made = owner === undefined ? node.callee : values.classes.lineOf(owner).at(-1)?.superClass;
  return made?.type === 'Identifier' && COLLECTIONS.test(made.name);
}

function isChangingMethod(name = ''): boolean {
  return ARRAY_METHODS.test(name) || ORDERING_METHODS.test(name) || COLLECTION_METHODS.test(name);
}

function isObjectAssign({ callee, arguments: [first] }: CallExpression, target: AnyNode): boolean {
  if (callee.type !== 'MemberExpression' || propertyName(callee) !== 'assign' || first !== target) return false;
  return callee.object.type === 'Identifier' && callee.object.name === 'Object';
}

/** Returns whether `parent` is a part of `node`, as `x.y` and `x.get(y)` are of `x`. */
function isPartOf(node: AnyNode, parent: AnyNode): boolean {
  if (parent.type === 'ChainExpression') return true;
  if (parent.type === 'MemberExpression') return parent.object === node;
  return parent.type === 'CallExpression' && parent.callee === node && /^(get|at|find)$/.test(methodName(parent) ?? '');
}

function isAssignedPattern(node: AnyNode, model: SourceModel): boolean {
  for (const ancestor of model.ancestors(node)) {
    if (ancestor.type === 'AssignmentExpression') return !isValueUsed(ancestor, model);
    if (!ancestor.type.endsWith('Pattern') && ancestor.type !== 'RestElement') return false;
  }
  return false;
}
