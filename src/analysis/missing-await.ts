/**
 * Rule `missing-await`: steps, batches, saves, commands and API calls whose promises are not awaited, so that the run can end before them.
 */
import {
  isFunction,
  methodName,
  propertyName,
  unwrap,
  type AnyNode,
  type CallExpression,
  type FunctionNode,
} from './ast.ts';
import { isElement } from './elements.ts';
import { describeTarget, warnAt, type Analysis } from './rule.ts';
import type { SourceWarning } from './source-warning.ts';
import { isValueUsed } from './writes.ts';

/** Methods of a list that ignore the promise that their function returns. */
const DROPPING_METHODS = /^(forEach|filter|some|every|find|findIndex|findLast|sort|toSorted)$/;
/** Methods whose result is a list of promises, which must be awaited. */
const COLLECTING_METHODS = /^(map|flatMap)$/;
/** Methods of drivers and elements that send nothing, and methods of promises. An author who handles a promise needs no warning. */
const SILENT_METHODS =
  /^(setFileDetector|manage|navigate|switchTo|actions|getId|getDriver|getExecutor|on|once|off|then|catch|finally)$/;
/** The methods of an element that send a command. Lists of elements have other methods. */
const ELEMENT_METHODS = /^(click|sendKeys|clear|submit|takeScreenshot|findElements?|(get|is)[A-Z]\w*)$/;

export function findMissingAwaits(analysis: Analysis): SourceWarning[] {
  const { model, functions } = analysis;
  const awaited = new Map<CallExpression, string>();
  for (const { kind, call } of analysis.calls) awaited.set(call, kind);
  for (const call of model.calls) {
    if (isSave(call, analysis)) awaited.set(call, 'save');
    else if (isCommand(call, analysis)) awaited.set(call, textOf(call.callee));
  }
  const carriers = findCarriers([...awaited.keys()], analysis);
  for (const owner of carriers) {
    for (const site of functions.sitesOf(owner)) {
      if (site.type === 'CallExpression' && !awaited.has(site)) awaited.set(site, textOf(site.callee));
    }
  }
  return [...awaited].flatMap(([call, name]) => {
    if (isTested(call, analysis)) {
      const message = `\`${name}\` is a promise here, and not its value. Write \`await ${name}(…)\`.`;
      return [warnAt(call, { rule: 'missing-await', message })];
    }
    const dropped = isDropped(call, analysis) ? 'statement' : droppingMethod(call, analysis);
    if (dropped === undefined) return [];
    const message =
      dropped === 'statement'
        ? `\`${name}\` is not awaited, so \`run\` can end before it does, and its failure is lost. Write \`await ${name}(…)\`.`
        : `\`${dropped}\` does not wait for \`${name}\`, so \`run\` can end before it does. Use a loop: \`for (const item of items) await ${name}(…)\`.`;
    return [warnAt(call, { rule: 'missing-await', message })];
  });
}

/** Returns whether the call is one of the `save` of `run`: the `save` of a step's or a batch's tools returns no promise. */
function isSave(call: CallExpression, { roles }: Analysis): boolean {
  const role = roles.roleOf(call.callee);
  return role?.owner === 'run' && role.member === 'save';
}

/** Returns whether the call is the last of a chain that begins with `driver`, `api` or an element, such as `driver.findElement(by).click()`. */
function isCommand(call: CallExpression, analysis: Analysis): boolean {
  const { model, roles } = analysis;
  const parent = model.parentOf(call);
  if (parent?.type === 'MemberExpression' && parent.object === call) return false;
  const methods: string[] = [];
  for (let node = unwrap(call); ;) {
    const role = roles.roleOf(node);
    if (role?.member === 'driver' || role?.member === 'api') break;
    if (node.type === 'CallExpression') {
      methods.unshift(methodName(node) ?? '');
      node = unwrap(node.callee);
    } else if (node.type === 'MemberExpression' && propertyName(node) !== undefined) {
      node = unwrap(node.object);
    } else if (isElement(node, analysis) && ELEMENT_METHODS.test(methods[0] ?? '')) break;
    else return false;
  }
  const last = methods.at(-1);
  if (last === undefined || SILENT_METHODS.test(last)) return false;
  return !methods.includes('actions') || last === 'perform' || last === 'clear';
}

/** The code of a call's function for a message, with `(…)` in place of arguments. */
function textOf(node: AnyNode): string {
  const expression = unwrap(node);
  if (expression.type === 'CallExpression') return `${textOf(expression.callee)}(…)`;
  const target = describeTarget(expression);
  if (target !== undefined || expression.type !== 'MemberExpression') return target ?? '…';
  return `${textOf(expression.object)}.${propertyName(expression) ?? '…'}`;
}

/** Finds the author's asynchronous functions that run steps. Their calls must be awaited, too. */
function findCarriers(
  calls: readonly CallExpression[],
  { model, functions, works, roles }: Analysis,
): Set<FunctionNode> {
  const carriers = new Set<FunctionNode>();
  const queue: AnyNode[] = [...calls];
  for (const call of queue) {
    const owner = model.functionAround(call);
    if (owner === undefined || carriers.has(owner) || roles.runs.has(owner)) continue;
    const returnsPromise = owner.async || functions.returnsOf(owner).some((value) => value === call);
    if (owner.generator || !returnsPromise || works.some((work) => work.owner === owner)) continue;
    carriers.add(owner);
    queue.push(...functions.sitesOf(owner));
  }
  return carriers;
}

/** Returns whether the promise is compared, tested or put into a text, as in `if (element.isDisplayed())`. */
function isTested(call: CallExpression, { model }: Analysis): boolean {
  const parent = model.parentOf(call);
  switch (parent?.type) {
    case 'BinaryExpression':
    case 'TemplateLiteral':
      return true;
    case 'UnaryExpression':
      return parent.operator === '!';
    case 'IfStatement':
    case 'WhileStatement':
    case 'ConditionalExpression':
      return parent.test === call;
    default:
      return false;
  }
}

/** Returns the call `Promise.all(…)` or a like one to which a promise, or a list of promises, is passed; undefined if there is none. */
function combinatorOf(node: AnyNode, { model }: Pick<Analysis, 'model'>): CallExpression | undefined {
  const parent = model.parentOf(node);
  if (parent?.type === 'ArrayExpression') return combinatorOf(parent, { model });
  if (parent?.type !== 'CallExpression' || parent.callee.type !== 'MemberExpression') return undefined;
  const { object } = parent.callee;
  return object.type === 'Identifier' && object.name === 'Promise' ? parent : undefined;
}

function isDropped(call: CallExpression, analysis: Analysis): boolean {
  const { model } = analysis;
  const combinator = combinatorOf(call, analysis);
  if (combinator !== undefined) return isDropped(combinator, analysis);
  const parent = model.parentOf(call);
  if (parent?.type === 'AwaitExpression' || parent === undefined) return false;
  // The caller gets the promise of `() => step(…)`.
  const isBody = isFunction(parent) && parent.body === call;
  return !isBody && !isValueUsed(call, model) && !endsInBody(call, model);
}

/** `() => condition && step(…)`. */
function endsInBody(call: AnyNode, model: Analysis['model']): boolean {
  for (const ancestor of model.ancestors(call)) {
    if (ancestor.type === 'AwaitExpression') return true;
    if (isFunction(ancestor)) return ancestor.body.type !== 'BlockStatement';
    if (ancestor.type.endsWith('Statement')) return false;
  }
  return false;
}

/** Returns the method that drops the promise of the function around the call; undefined if no method drops it. */
function droppingMethod(call: CallExpression, analysis: Analysis): string | undefined {
  const { model } = analysis;
  const owner = model.functionAround(call);
  const parent = owner === undefined ? undefined : model.parentOf(owner);
  if (owner === undefined || parent?.type !== 'CallExpression' || parent.arguments[0] !== owner) return undefined;
  const name = methodName(parent) ?? '';
  const combinator = combinatorOf(parent, analysis);
  const isUsed = combinator === undefined ? isValueUsed(parent, model) : !isDropped(combinator, analysis);
  const isLost = DROPPING_METHODS.test(name) || (COLLECTING_METHODS.test(name) && !isUsed);
  return isLost ? name : undefined;
}
