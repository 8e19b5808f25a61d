/** Rule `changing-key`: keys that are not the same on the next entry of `run`, so that finished work is done again. */
import { isFunction, keyName, methodName, propertyName, unwrap, type AnyNode, type CallExpression } from './ast.ts';
import { isPageIndex } from './page-lists.ts';
import { describeCall, warnAt, type Analysis } from './rule.ts';
import type { SourceWarning } from './source-warning.ts';
import type { WorkCall } from './work-calls.ts';

const MAX_DEPTH = 8;
const CHANGING_METHODS =
  /^(Date\.now|performance\.now|Math\.random|crypto\.randomUUID|process\.hrtime|hrtime\.bigint)$/;
/** Methods of a date whose result stays the same for a day or longer. */
const DATE_METHODS = /^(toDateString|toLocaleDateString|get(UTC)?(Date|Day|Month|FullYear))$/;
const CHANGING_FUNCTIONS = /^(randomUUID|randomInt|randomBytes|nanoid|Date)$/;
/** Functions whose result depends on their arguments. */
const PASS_THROUGH_FUNCTIONS =
  /^(String|Number|BigInt|parseInt|encodeURIComponent|stringify|floor|round|trunc|join|concat|format)$/;

interface Found {
  readonly node: AnyNode;
  /** The expression in the source, such as `Date.now()`. */
  readonly name: string;
  /** The time for which it stays the same; undefined if it is different each time. */
  readonly period?: 'day';
}

export function findChangingKeys(analysis: Analysis): SourceWarning[] {
  return analysis.calls.flatMap((workCall) => [...checkName(workCall, analysis), ...checkItemKey(workCall, analysis)]);
}

function checkName(workCall: WorkCall, analysis: Analysis): SourceWarning[] {
  const [key] = workCall.call.arguments;
  const what = workCall.kind === 'step' ? 'key of a step' : 'name of a batch';
  if (key === undefined) return [];
  const found = findChanging(key, analysis);
  if (found === undefined) return checkIndex(workCall, key, analysis);
  const change =
    found.period === 'day'
      ? `the date of \`${found.name}\`, which changes once a day: after a restart on the next day the finished work is not found`
      : `\`${found.name}\`, which is different each time: after a restart the finished work is not found`;
  const message = `The ${what} depends on ${change}, and is done again. Build the key from the data of the work, or store the value with a step: \`const id = await step('id', () => …)\`.`;
  return [warnAt(isIn(found.node, key) ? found.node : key, { rule: 'changing-key', message })];
}

/** Warns of the index of an element in a list that is read from the page on each entry of `run`. */
function checkIndex({ kind }: WorkCall, key: AnyNode, analysis: Analysis): SourceWarning[] {
  const { model } = analysis;
  const index = model.nodesWithin(key, isFunction).find((node) => {
    return node.type === 'Identifier' && isPageIndex(node, key, analysis);
  });
  if (index === undefined) return [];
  const what = kind === 'step' ? 'key of a step' : 'name of a batch';
  const message = `The ${what} depends on \`${textOf(index)}\`, the index of an element in a list that is read from the page. The list can be another one after a restart: finished items are mixed up or done again. Build the key from the element, or read the list in a step: \`const links = await step('links', …)\`.`;
  return [warnAt(index, { rule: 'changing-key', message })];
}

function checkItemKey(workCall: WorkCall, analysis: Analysis): SourceWarning[] {
  const { functions, model } = analysis;
  const options = workCall.kind === 'batch' ? workCall.call.arguments[3] : undefined;
  if (options?.type !== 'ObjectExpression') return [];
  const property = options.properties.find((one) => one.type === 'Property' && keyName(one) === 'key');
  if (property?.type !== 'Property') return [];
  return functions.resolve(property.value).flatMap((owner) => {
    const isIndex = (node: AnyNode) => {
      const origin = node.type === 'Identifier' ? model.bindingOf(node)?.origin : undefined;
      return origin?.from === 'parameter' && origin.owner === owner && origin.index === 1;
    };
    for (const value of functions.returnsOf(owner)) {
      const found = findChanging(value, analysis, { isIndex });
      if (found === undefined) continue;
      const message = `The key of an item in ${describeCall(workCall)} depends on \`${found.name}\`, which is not the same after a restart: finished items are mixed up or done again. Build the key from the item, such as \`(item) => item.url\`.`;
      return [warnAt(isIn(found.node, value) ? found.node : value, { rule: 'changing-key', message })];
    }
    return [];
  });
}

interface Search {
  /** Returns whether a variable is the index of the item. Present only in the key of an item. */
  readonly isIndex?: (node: AnyNode) => boolean;
  readonly depth?: number;
}

/** The first part of the value that is different each time it is computed. */
function findChanging(node: AnyNode, analysis: Analysis, search: Search = {}): Found | undefined {
  const { isIndex, depth = 0 } = search;
  const expression = unwrap(node);
  if (depth > MAX_DEPTH) return undefined;
  const next = (...parts: readonly (AnyNode | null)[]) => {
    for (const part of parts) {
      const found = part === null ? undefined : findChanging(part, analysis, { ...search, depth: depth + 1 });
      if (found !== undefined) return found;
    }
    return undefined;
  };
  switch (expression.type) {
    case 'TemplateLiteral':
      return next(...expression.expressions);
    case 'BinaryExpression':
    case 'LogicalExpression':
      return next(expression.left, expression.right);
    case 'ConditionalExpression':
      return next(expression.consequent, expression.alternate);
    case 'ArrayExpression':
      return next(...expression.elements);
    case 'MemberExpression':
      return withPeriod(next(expression.object), expression);
    case 'AwaitExpression':
    case 'SpreadElement':
    case 'UnaryExpression':
      return next(expression.argument);
    case 'UpdateExpression':
      return isIndex === undefined ? undefined : { node: expression, name: textOf(expression.argument) };
    case 'NewExpression': {
      const isDate = expression.callee.type === 'Identifier' && expression.callee.name === 'Date';
      if (isDate && expression.arguments.length === 0) return { node: expression, name: 'new Date()' };
      return isDate ? next(...expression.arguments) : undefined;
    }
    case 'CallExpression':
      return findInCall(expression, { analysis, next, isItemKey: isIndex !== undefined });
    case 'Identifier':
      if (isIndex?.(expression) === true) return { node: expression, name: expression.name };
      return findInVariable(expression, analysis, next);
    default:
      return undefined;
  }
}

interface CallSearch {
  readonly analysis: Analysis;
  readonly next: (...parts: readonly (AnyNode | null)[]) => Found | undefined;
  readonly isItemKey: boolean;
}

function findInCall(call: CallExpression, { analysis, next, isItemKey }: CallSearch): Found | undefined {
  const { functions, calls } = analysis;
  // The value of a step is stored, so it never changes.
  if (calls.some((workCall) => workCall.call === call)) return undefined;
  const callee = unwrap(call.callee);
  const name = textOf(callee);
  if (
    CHANGING_METHODS.test(name) ||
    (callee.type === 'Identifier' && isGlobalOrImport(callee, analysis) && CHANGING_FUNCTIONS.test(name))
  )
    return { node: call, name: `${name}()` };
  const method = methodName(call);
  if (isItemKey && /^(indexOf|findIndex|lastIndexOf)$/.test(method ?? '')) return { node: call, name: `${name}(…)` };
  const owners = functions.resolve(callee);
  if (owners.length > 0) return next(...owners.flatMap((owner) => functions.returnsOf(owner)));
  const found =
    callee.type === 'MemberExpression' && callee.object.type !== 'Super'
      ? withPeriod(next(callee.object), call)
      : undefined;
  return found ?? (PASS_THROUGH_FUNCTIONS.test(method ?? name) ? next(...call.arguments) : undefined);
}

/** Follows a variable that gets its value once, outside of any step. */
function findInVariable(
  node: AnyNode & { readonly type: 'Identifier' },
  { model, works, regions }: Analysis,
  next: (...parts: readonly (AnyNode | null)[]) => Found | undefined,
): Found | undefined {
  const binding = model.bindingOf(node);
  if (binding?.origin.from !== 'value') return undefined;
  if (works.some(({ owner }) => regions.of(owner).has(binding.declaration))) return undefined;
  const found = next(binding.origin.node);
  return found === undefined ? undefined : { ...found, node };
}

/** Marks the date of a time: `….toISOString().slice(0, 10)`, `….toISOString().split('T')[0]`, `….toDateString()`. */
function withPeriod(found: Found | undefined, part: AnyNode): Found | undefined {
  if (found === undefined || !takesDate(part)) return found;
  return { ...found, period: 'day' };
}

function takesDate(part: AnyNode): boolean {
  if (part.type === 'MemberExpression') {
    const { object } = part;
    const [separator] = object.type === 'CallExpression' && methodName(object) === 'split' ? object.arguments : [];
    return separator?.type === 'Literal' && separator.value === 'T' && propertyName(part) === '0';
  }
  if (part.type !== 'CallExpression') return false;
  const name = methodName(part) ?? '';
  if (DATE_METHODS.test(name)) return true;
  const [from, to] = part.arguments;
  const isHead = /^(slice|substring|substr)$/.test(name) && from?.type === 'Literal' && from.value === 0;
  return isHead && to?.type === 'Literal' && typeof to.value === 'number' && to.value <= 10;
}

function isGlobalOrImport(node: AnyNode & { readonly type: 'Identifier' }, { model }: Analysis): boolean {
  const binding = model.bindingOf(node);
  return binding === undefined || binding.origin.from === 'import';
}

function textOf(node: AnyNode): string {
  const expression = unwrap(node);
  if (expression.type === 'Identifier') return expression.name;
  if (expression.type !== 'MemberExpression') return '…';
  return `${textOf(expression.object)}.${propertyName(expression) ?? '…'}`;
}

function isIn(inner: AnyNode, outer: AnyNode): boolean {
  return inner.start >= outer.start && inner.end <= outer.end && inner.loc?.source === outer.loc?.source;
}
