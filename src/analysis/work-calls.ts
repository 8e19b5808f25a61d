/** Finds the calls of `step` and `batch`, and the functions that are passed to them as work. */
import { methodName, propertyName, unwrap, type AnyNode, type CallExpression, type FunctionNode } from './ast.ts';
import type { CallSite, Functions } from './functions.ts';
import { Roles } from './roles.ts';
import type { SourceModel } from './source-model.ts';

export interface WorkCall {
  readonly kind: 'step' | 'batch';
  readonly call: CallExpression;
}

/** A function that is the work of a step or a batch. */
export interface Work extends WorkCall {
  readonly owner: FunctionNode;
  /** The call that the function is passed to: of `step` or `batch` itself, or of a function that passes it on. */
  readonly site: CallSite;
}

const WORK_INDEX = { step: 1, batch: 2 } as const;

export interface WorkCalls {
  readonly calls: readonly WorkCall[];
  readonly works: readonly Work[];
  readonly roles: Roles;
}

export function findWorkCalls(model: SourceModel, functions: Functions): WorkCalls {
  // The tools of a step contain no `step` or `batch`, so the calls can be found before the roles of such tools are known.
  const early = new Roles(model, functions, () => undefined);
  const calls = model.calls.flatMap((call): WorkCall[] => {
    const kind = kindOf(call, { model, functions, roles: early });
    return kind === undefined ? [] : [{ kind, call }];
  });
  const works = calls.flatMap((workCall) => {
    const given = workCall.call.arguments[WORK_INDEX[workCall.kind]];
    return given === undefined ? [] : findWorks(given, { ...workCall, site: workCall.call }, { model, functions });
  });
  const byOwner = new Map(works.map((work) => [work.owner, work]));
  return { calls, works, roles: new Roles(model, functions, (owner) => byOwner.get(owner)) };
}

interface Tools {
  readonly model: SourceModel;
  readonly functions: Functions;
}

function kindOf(
  call: CallExpression,
  { model, functions, roles }: Tools & { roles: Roles },
): WorkCall['kind'] | undefined {
  const callee = unwrap(call.callee);
  const role = roles.roleOf(callee);
  if (role !== undefined) {
    const kind = role.owner === 'run' ? toKind(role.member) : undefined;
    const work = kind === undefined ? undefined : call.arguments[WORK_INDEX[kind]];
    return work === undefined || work.type === 'ObjectExpression' ? undefined : kind;
  }
  // A function without a call in these files gets its `step` from another file. Its name and its arguments identify it.
  let kind: WorkCall['kind'] | undefined;
  if (callee.type === 'MemberExpression') kind = toKind(propertyName(callee));
  else if (callee.type === 'Identifier') {
    const binding = model.bindingOf(callee);
    if (binding?.origin.from !== 'parameter') return undefined;
    kind = toKind(binding.origin.path.at(-1) ?? binding.name);
  }
  if (kind === undefined || functions.resolve(callee).length > 0) return undefined;
  const work = call.arguments[WORK_INDEX[kind]];
  return work !== undefined && isFunctionLike(work, { model, functions }) ? kind : undefined;
}

function toKind(name: string | undefined): WorkCall['kind'] | undefined {
  return name === 'step' || name === 'batch' ? name : undefined;
}

function isFunctionLike(node: AnyNode, { model, functions }: Tools): boolean {
  if (functions.resolve(node).length > 0) return true;
  return node.type === 'Identifier' && model.bindingOf(node)?.origin.from === 'parameter';
}

/** Returns the functions that `given` can be; for a parameter, those that callers of its function pass for it. */
function findWorks(given: AnyNode, found: Omit<Work, 'owner'>, tools: Tools, depth = 0): Work[] {
  const { model, functions } = tools;
  const origin = given.type === 'Identifier' ? model.bindingOf(given)?.origin : undefined;
  if (origin?.from !== 'parameter') return functions.resolve(given).map((owner) => ({ ...found, owner }));
  if (depth > 3) return [];
  return functions.sitesOf(origin.owner).flatMap((site) => {
    const [argument, rest] = functions.argumentAt(site, origin) ?? [];
    return argument === undefined || rest?.length !== 0
      ? []
      : findWorks(argument, { ...found, site }, tools, depth + 1);
  });
}

/** Returns whether a function is passed to a call that runs it in the browser, where it can't read the variables around it. */
export function runsInBrowser(owner: AnyNode, model: SourceModel): boolean {
  const parent = model.parentOf(owner);
  return parent?.type === 'CallExpression' && /^execute(Async)?Script$/.test(methodName(parent) ?? '');
}
