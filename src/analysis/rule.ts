/** The facts about an action that the rules use, and the common parts of their warnings. */
import { callPosition, positionOf, propertyName, unwrap, type AnyNode } from './ast.ts';
import type { CallSite, Functions } from './functions.ts';
import type { Regions } from './regions.ts';
import type { Roles } from './roles.ts';
import type { Slots } from './slots.ts';
import type { SourceModel } from './source-model.ts';
import type { Position, SourceWarning, SourceWarningRule } from './source-warning.ts';
import type { Work, WorkCall } from './work-calls.ts';

export interface Analysis {
  readonly model: SourceModel;
  readonly functions: Functions;
  readonly roles: Roles;
  readonly regions: Regions;
  readonly slots: Slots;
  readonly calls: readonly WorkCall[];
  readonly works: readonly Work[];
}

export type Rule = (analysis: Analysis) => SourceWarning[];

export interface WarningParts {
  readonly rule: SourceWarningRule;
  readonly message: string;
  /** The call that is replayed. Present only for a change that a replay leaves out. */
  readonly site?: CallSite;
  readonly isModuleState?: boolean;
}

export function warnAt(node: AnyNode, { rule, message, site, isModuleState = false }: WarningParts): SourceWarning {
  const call = site === undefined ? null : sitePosition(site);
  return { rule, ...positionOf(node), message, call, isModuleState };
}

/** The position of a call in a stack trace. */
export function sitePosition(site: CallSite): Position {
  return site.type === 'CallExpression' ? callPosition(site) : positionOf(site);
}

/** The name of a call for a message: `step "page 1"`, or `step` if its key is computed. */
export function describeCall({ kind, call }: WorkCall): string {
  const [key] = call.arguments;
  return key?.type === 'Literal' && typeof key.value === 'string' ? `the ${kind} "${key.value}"` : `a ${kind}`;
}

/** The name of a variable or a property chain for a message. */
export function describeTarget(node: AnyNode): string | undefined {
  const expression = unwrap(node);
  if (expression.type === 'Identifier') return expression.name;
  if (expression.type === 'ThisExpression') return 'this';
  if (expression.type !== 'MemberExpression') return undefined;
  const object = describeTarget(expression.object);
  const name = propertyName(expression);
  return object === undefined ? undefined : name === undefined ? `${object}[…]` : `${object}.${name}`;
}
