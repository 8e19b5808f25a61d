/** Decides which expressions are elements of a page, or lists of them. */
import {
  alternativesOf,
  isFunction,
  methodName,
  propertyName,
  unwrap,
  type AnyNode,
  type CallExpression,
  type FunctionNode,
} from './ast.ts';
import { followPath } from './functions.ts';
import type { Analysis } from './rule.ts';

type Tools = Pick<Analysis, 'model' | 'functions'>;

const MAX_DEPTH = 8;
const FINDING_METHODS = /^(findElements?|activeElement)$/;
/** Methods of a list whose result has the same elements. */
const SELECTING_METHODS = /^(filter|slice|at|find|findLast|reverse|toReversed|toSorted|concat|flat|values|with)$/;
const EACH_METHODS = /^(forEach|map|flatMap|filter|some|every|find|findLast)$/;

/** Returns whether `node` is an element, a list of elements, or a promise of either. */
export function isElement(node: AnyNode, tools: Tools, depth = 0): boolean {
  const expression = unwrap(node);
  const next = (inner: AnyNode) => isElement(inner, tools, depth + 1);
  if (depth > MAX_DEPTH) return false;
  const alternatives = alternativesOf(expression);
  if (alternatives !== undefined) return alternatives.some(next);
  switch (expression.type) {
    case 'CallExpression':
      return isElementCall(expression, tools, next);
    case 'MemberExpression':
      return propertyName(expression) === undefined || /^\d+$/.test(propertyName(expression) ?? '')
        ? next(expression.object)
        : isElementField(expression, tools, next);
    case 'Identifier':
      return isElementVariable(expression, tools, next);
    default:
      return false;
  }
}

/** Returns whether the value is an element, or contains one in its properties. */
export function containsElement(node: AnyNode, tools: Tools): boolean {
  const expression = unwrap(node);
  if (expression.type !== 'ObjectExpression') return isElement(expression, tools);
  return expression.properties.some((property) =>
    property.type === 'SpreadElement' ? false : containsElement(property.value, tools),
  );
}

function isElementCall(call: CallExpression, { functions }: Tools, next: (inner: AnyNode) => boolean): boolean {
  const name = methodName(call);
  const [first] = call.arguments;
  const { callee } = call;
  if (callee.type === 'MemberExpression' && name !== undefined) {
    if (FINDING_METHODS.test(name)) return true;
    // `driver.wait(until.elementLocated(…))` resolves to the element.
    if (name === 'wait') return first?.type === 'CallExpression' && /^elements?[A-Z]/.test(methodName(first) ?? '');
    if (SELECTING_METHODS.test(name)) return next(callee.object);
    const isPromise = callee.object.type === 'Identifier' && callee.object.name === 'Promise';
    if (isPromise) return first !== undefined && next(first);
    if (name === 'map' && first !== undefined && isFunction(first)) return functions.returnsOf(first).some(next);
  }
  return functions.resolve(callee).some((target) => functions.returnsOf(target).some(next));
}

function isElementVariable(
  node: AnyNode & { readonly type: 'Identifier' },
  { model }: Tools,
  next: (inner: AnyNode) => boolean,
): boolean {
  const binding = model.bindingOf(node);
  if (binding === undefined) return false;
  const { origin } = binding;
  if (origin.from === 'each') return origin.path.length === 0 && next(origin.node);
  if (origin.from === 'value') {
    const [reached, rest] = followPath(origin.node, origin.path);
    return rest.every((name) => name === null || /^\d+$/.test(name)) && next(reached);
  }
  if (origin.from === 'parameter') return origin.index === 0 && isEachOfElements(origin.owner, model, next);
  if (origin.from !== 'nothing') return false;
  return binding.references.some((reference) => {
    const parent = model.parentOf(reference);
    return parent?.type === 'AssignmentExpression' && parent.left === reference && next(parent.right);
  });
}

/** Returns whether a function is called for each of a list of elements, as in `elements.map((element) => …)`. */
function isEachOfElements(owner: FunctionNode, model: Tools['model'], next: (inner: AnyNode) => boolean): boolean {
  const call = model.parentOf(owner);
  if (call?.type !== 'CallExpression' || call.arguments[0] !== owner || call.callee.type !== 'MemberExpression')
    return false;
  return EACH_METHODS.test(methodName(call) ?? '') && next(call.callee.object);
}

function isElementField(
  node: AnyNode & { readonly type: 'MemberExpression' },
  { functions }: Tools,
  next: (inner: AnyNode) => boolean,
): boolean {
  const owner = functions.classOf(node.object);
  const name = propertyName(node);
  return owner !== undefined && name !== undefined && functions.fieldValues(owner, name).some(next);
}
