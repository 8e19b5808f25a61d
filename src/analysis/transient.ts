/** Decides whether a variable has a meaning only while the code runs. A replay that leaves out its changes then loses no data. */
import { isFunction, isWithin, methodName, unwrap, type AnyNode } from './ast.ts';
import { describeTarget } from './rule.ts';
import type { Slot } from './slot.ts';
import type { SourceModel } from './source-model.ts';
import type { Write } from './writes.ts';

const MAX_DEPTH = 4;

/** Returns whether all changes together are of one of these kinds. */
export function isTransient(slot: Slot, writes: readonly Write[], model: SourceModel): boolean {
  if (writes.every(({ values }) => values.length > 0 && values.every(isTime))) return true;
  return isBalanced(writes) || isWaitingList(writes, model) || writes.every((write) => isChain(write, slot, model));
}

/** Returns whether the value is the current time, which code stores for a pause between requests. */
function isTime(value: AnyNode): boolean {
  if (value.type === 'BinaryExpression') return isTime(value.left) || isTime(value.right);
  if (value.type === 'CallExpression') return /^(Date|performance)\.now$/.test(describeTarget(value.callee) ?? '');
  return value.type === 'NewExpression' && describeTarget(value.callee) === 'Date' && value.arguments.length === 0;
}

/** Returns whether the variable counts running work: `active += 1` and, later, `active -= 1`. */
function isBalanced(writes: readonly Write[]): boolean {
  const operators = new Set(
    writes.map(({ node }) =>
      node.type === 'UpdateExpression' || node.type === 'AssignmentExpression' ? node.operator[0] : '',
    ),
  );
  const isByNumbers = writes.every(
    ({ node }) => node.type === 'UpdateExpression' || (node.type === 'AssignmentExpression' && isNumber(node.right)),
  );
  return operators.size === 2 && operators.has('+') && operators.has('-') && isByNumbers;
}

function isNumber(node: AnyNode): boolean {
  return node.type === 'Literal' && typeof node.value === 'number';
}

/** Returns whether the variable is a list of waiting callers: `new Promise((resolve) => waiting.push(resolve))`. */
function isWaitingList(writes: readonly Write[], model: SourceModel): boolean {
  const added = writes.flatMap(({ values }) => values);
  const isResolving = (node: AnyNode, value: AnyNode) => {
    const origin = model.bindingOf(node)?.origin;
    if (origin?.from !== 'parameter' || isWithin(origin.owner, value)) return false;
    const parent = model.parentOf(origin.owner);
    return parent?.type === 'NewExpression' && describeTarget(parent.callee) === 'Promise';
  };
  return added.length > 0 && added.every((value) => model.nodesWithin(value).some((node) => isResolving(node, value)));
}

/** Returns whether the change is `last = last.then(…)`, for which the next work waits. */
function isChain({ node, values }: Write, slot: Slot, model: SourceModel): boolean {
  const [value] = values;
  if (node.type !== 'AssignmentExpression' || node.operator !== '=' || value === undefined) return false;
  return leadsTo(value, slot, model, 0) && unwrap(value).type === 'CallExpression';
}

function leadsTo(node: AnyNode, slot: Slot, model: SourceModel, depth: number): boolean {
  const expression = unwrap(node);
  if (depth > MAX_DEPTH) return false;
  if (slot.references.includes(expression)) return true;
  if (expression.type === 'CallExpression' && expression.callee.type === 'MemberExpression') {
    const isThen = /^(then|catch|finally)$/.test(methodName(expression) ?? '');
    return isThen && leadsTo(expression.callee.object, slot, model, depth + 1);
  }
  const origin = model.bindingOf(expression)?.origin;
  return origin?.from === 'value' && !isFunction(origin.node) && leadsTo(origin.node, slot, model, depth + 1);
}
