/** Finds the variables that count the elements of a list which is read from the page outside of steps. */
import {
  alternativesOf,
  isFunction,
  isLoop,
  isWithin,
  methodName,
  propertyName,
  unwrap,
  type AnyNode,
  type CallExpression,
} from './ast.ts';
import type { Binding } from './bindings.ts';
import { isElement } from './elements.ts';
import type { Analysis } from './rule.ts';
import { argumentOf } from './values.ts';

const MAX_DEPTH = 10;
const ITERATING_METHODS = /^(forEach|map|flatMap|filter)$/;
const ADDING_METHODS = /^(push|unshift)$/;

/** Returns whether `node`, a part of the key of a step, is the index of an element in a list that can be different after a restart. */
export function isPageIndex(node: AnyNode, key: AnyNode, analysis: Analysis): boolean {
  const binding = analysis.model.bindingOf(node);
  const counted = binding === undefined ? undefined : findCounted(binding, key, analysis);
  if (binding === undefined || counted === undefined || !isFromPage(counted.list, analysis)) return false;
  // A key that also contains the element is never the key of another element.
  const list = analysis.model.bindingOf(unwrap(counted.list));
  return !analysis.model.nodesWithin(key).some((part) => {
    const other = analysis.model.bindingOf(part);
    if (part.type !== 'Identifier' || other === undefined || other === binding) return false;
    return other === list || isWithin(other.declaration, counted.scope);
  });
}

interface Counted {
  readonly list: AnyNode;
  /** The loop or the callback that is entered for each element. */
  readonly scope: AnyNode;
}

/** The list whose elements a variable counts. */
function findCounted({ origin, scope, references }: Binding, key: AnyNode, { model }: Analysis): Counted | undefined {
  if (origin.from === 'each' && origin.path[0] === '0') {
    const call = unwrap(origin.node);
    return call.type === 'CallExpression' && methodName(call) === 'entries' && call.callee.type === 'MemberExpression'
      ? { list: call.callee.object, scope }
      : undefined;
  }
  if (origin.from === 'parameter' && origin.index === 1) {
    const call = model.parentOf(origin.owner);
    if (call?.type !== 'CallExpression' || call.callee.type !== 'MemberExpression') return undefined;
    return ITERATING_METHODS.test(methodName(call) ?? '')
      ? { list: call.callee.object, scope: origin.owner }
      : undefined;
  }
  if (origin.from !== 'value' || origin.node.type !== 'Literal') return undefined;
  const isCounted = references.some((reference) => {
    const parent = model.parentOf(reference);
    return (
      parent?.type === 'UpdateExpression' || (parent?.type === 'AssignmentExpression' && parent.left === reference)
    );
  });
  const loop = [...model.ancestors(key)].find((ancestor) => isLoop(ancestor) || isFunction(ancestor));
  if (!isCounted || loop === undefined) return undefined;
  if (loop.type === 'ForOfStatement') return { list: loop.right, scope: loop };
  if (loop.type !== 'ForStatement' || scope !== loop || loop.test?.type !== 'BinaryExpression') return undefined;
  // A counter that begins at 1 is the number of a page.
  if (origin.node.value !== 0) return undefined;
  const size = [loop.test.left, loop.test.right]
    .map((side) => {
      const limit = model.bindingOf(side)?.origin;
      return unwrap(limit?.from === 'value' && limit.path.length === 0 ? limit.node : side);
    })
    .find((side) => side.type === 'MemberExpression');
  return size?.type === 'MemberExpression' && propertyName(size) === 'length'
    ? { list: size.object, scope: loop }
    : undefined;
}

/** Returns whether a value comes from the page, outside of any step. */
function isFromPage(node: AnyNode, analysis: Analysis, depth = 0): boolean {
  const expression = unwrap(node);
  const next = (inner: AnyNode) => isFromPage(inner, analysis, depth + 1);
  if (depth > MAX_DEPTH) return false;
  const alternatives = alternativesOf(expression);
  if (alternatives !== undefined) return alternatives.some(next);
  switch (expression.type) {
    case 'MemberExpression':
      return next(expression.object);
    case 'NewExpression':
      return expression.arguments.some(next);
    case 'CallExpression':
      return isCallFromPage(expression, analysis, next);
    case 'Identifier': {
      const binding = analysis.model.bindingOf(expression);
      return binding !== undefined && isVariableFromPage(binding, analysis, next);
    }
    default:
      return false;
  }
}

function isCallFromPage(call: CallExpression, analysis: Analysis, next: (inner: AnyNode) => boolean): boolean {
  const { calls, functions, roles } = analysis;
  // The value of a step is stored.
  if (calls.some((workCall) => workCall.call === call)) return false;
  if (isElement(call, analysis)) return true;
  const { callee } = call;
  const owners = functions.resolve(callee);
  if (owners.length > 0) return owners.some((owner) => functions.returnsOf(owner).some(next));
  if (callee.type !== 'MemberExpression') return false;
  const { object } = callee;
  const role = roles.roleOf(object);
  if (role?.member === 'driver' || isElement(object, analysis)) return true;
  const isStatic = object.type === 'Identifier' && /^(Promise|Array|Object)$/.test(object.name);
  return isStatic ? call.arguments.some(next) : next(object);
}

function isVariableFromPage(binding: Binding, analysis: Analysis, next: (inner: AnyNode) => boolean): boolean {
  const { origin, declaration, references } = binding;
  const { works, regions, functions, model } = analysis;
  if (works.some(({ owner }) => regions.of(owner).has(declaration))) return false;
  if (origin.from === 'each') return next(origin.node);
  if (origin.from === 'parameter')
    return functions.sitesOf(origin.owner).some((site) => {
      const argument = argumentOf(site, origin.index);
      return argument !== undefined && next(argument);
    });
  if (origin.from === 'value' && next(origin.node)) return true;
  return references.some((reference) => {
    const parent = model.parentOf(reference);
    if (parent?.type === 'AssignmentExpression') return parent.left === reference && next(parent.right);
    const call =
      parent?.type === 'MemberExpression' && parent.object === reference ? model.parentOf(parent) : undefined;
    if (call?.type !== 'CallExpression' || call.callee !== parent) return false;
    return ADDING_METHODS.test(methodName(call) ?? '') && call.arguments.some(next);
  });
}
