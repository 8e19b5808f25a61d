/** Decides whether a use of a variable only shows it to the user. A replay that leaves out such a use loses no data. */
import { isFunction, isWithin, methodName, propertyName, unwrap, type AnyNode } from './ast.ts';
import type { Roles } from './roles.ts';
import type { SourceModel } from './source-model.ts';

/** Objects whose methods show text to the user. */
const LOGGERS = /^(log|logger|console)$/;

interface ShownTools {
  readonly model: SourceModel;
  readonly roles: Roles;
}

export function isOnlyShown(node: AnyNode, tools: ShownTools, depth = 0): boolean {
  const { model } = tools;
  let inner = node;
  for (const ancestor of model.ancestors(node)) {
    if (isFunction(ancestor)) return false;
    // `const id = count++`, where `id` is only shown.
    if (ancestor.type === 'VariableDeclarator' && ancestor.id.type === 'Identifier' && depth === 0) {
      const uses = model.bindingOf(ancestor.id)?.references ?? [];
      return uses.every((use) => isOnlyShown(use, tools, 1));
    }
    if (ancestor.type === 'CallExpression' && !isWithin(node, ancestor.callee) && isShowing(ancestor, tools))
      return true;
    if (isCondition(inner, ancestor)) return branchesOf(ancestor).every((branch) => onlyShows(branch, tools));
    // `errors.forEach((error) => log.warn(error))`
    if (ancestor.type === 'CallExpression' && methodName(ancestor) === 'forEach' && isWithin(node, ancestor.callee)) {
      const [callback] = ancestor.arguments;
      return callback !== undefined && isFunction(callback) && onlyShows(callback.body, tools);
    }
    inner = ancestor;
  }
  return false;
}

/** Returns whether `inner` decides whether the other parts of `outer` run. */
function isCondition(inner: AnyNode, outer: AnyNode): boolean {
  if (outer.type === 'IfStatement') return outer.test === inner;
  if (outer.type === 'ForOfStatement') return outer.right === inner;
  return outer.type === 'LogicalExpression' && outer.left === inner;
}

function branchesOf(node: AnyNode): readonly AnyNode[] {
  if (node.type === 'IfStatement') return node.alternate ? [node.consequent, node.alternate] : [node.consequent];
  if (node.type === 'ForOfStatement') return [node.body];
  return node.type === 'LogicalExpression' ? [node.right] : [];
}

/** Returns whether code only shows text. */
function onlyShows(node: AnyNode, tools: ShownTools): boolean {
  if (node.type === 'BlockStatement') return node.body.every((statement) => onlyShows(statement, tools));
  if (node.type === 'ExpressionStatement') return onlyShows(node.expression, tools);
  if (node.type === 'IfStatement' || node.type === 'ForOfStatement')
    return branchesOf(node).every((branch) => onlyShows(branch, tools));
  return node.type === 'CallExpression' && isShowing(node, tools);
}

/** `log.info(…)`, `console.log(…)`, `progress(…)`. */
function isShowing(call: AnyNode & { readonly type: 'CallExpression' }, { roles }: ShownTools): boolean {
  const callee = unwrap(call.callee);
  if (roles.roleOf(callee)?.member === 'progress') return true;
  if (callee.type !== 'MemberExpression') return false;
  const { object } = callee;
  if (roles.roleOf(object)?.member === 'log') return true;
  if (object.type === 'Identifier') return LOGGERS.test(object.name);
  return object.type === 'MemberExpression' && LOGGERS.test(propertyName(object) ?? '');
}
