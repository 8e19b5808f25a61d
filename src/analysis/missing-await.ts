/** Rule `missing-await`: steps, batches and saves whose promises are not awaited, so that the run can end before them. */
import { isFunction, methodName, type AnyNode, type CallExpression, type FunctionNode } from './ast.ts';
import { warnAt, type Analysis } from './rule.ts';
import type { SourceWarning } from './source-warning.ts';
import { isValueUsed } from './writes.ts';

/** Methods of a list that ignore the promise that their function returns. */
const DROPPING_METHODS = /^(forEach|filter|some|every|find|findIndex|findLast|sort|toSorted)$/;
/** Methods whose result is a list of promises, which must be awaited. */
const COLLECTING_METHODS = /^(map|flatMap)$/;

export function findMissingAwaits(analysis: Analysis): SourceWarning[] {
  const { model, functions } = analysis;
  const awaited = new Map<CallExpression, string>();
  for (const { kind, call } of analysis.calls) awaited.set(call, kind);
  for (const call of model.calls) if (isSave(call, analysis)) awaited.set(call, 'save');
  const carriers = findCarriers([...awaited.keys()], analysis);
  for (const owner of carriers) {
    for (const site of functions.sitesOf(owner)) {
      if (site.type === 'CallExpression' && !awaited.has(site)) awaited.set(site, nameOf(site));
    }
  }
  return [...awaited].flatMap(([call, name]) => {
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

function isDropped(call: CallExpression, { model }: Analysis): boolean {
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
function droppingMethod(call: CallExpression, { model }: Analysis): string | undefined {
  const owner = model.functionAround(call);
  const parent = owner === undefined ? undefined : model.parentOf(owner);
  if (owner === undefined || parent?.type !== 'CallExpression' || parent.arguments[0] !== owner) return undefined;
  const name = methodName(parent) ?? '';
  const isLost = DROPPING_METHODS.test(name) || (COLLECTING_METHODS.test(name) && !isValueUsed(parent, model));
  return isLost ? name : undefined;
}

function nameOf({ callee }: CallExpression): string {
  if (callee.type === 'Identifier') return callee.name;
  return callee.type === 'MemberExpression' && callee.property.type === 'Identifier'
    ? callee.property.name
    : 'this call';
}
