/** Rule `outer-driver`: workers of a batch that share the one window of `run`'s own driver. */
import { keyName, propertyName, unwrap, type AnyNode } from './ast.ts';
import { describeCall, warnAt, type Analysis } from './rule.ts';
import type { SourceWarning } from './source-warning.ts';
import type { Work } from './work-calls.ts';

export function findOuterDrivers(analysis: Analysis): SourceWarning[] {
  const { works, regions } = analysis;
  return works.flatMap((work) => {
    if (work.kind !== 'batch') return [];
    const mode = modeOf(work, analysis);
    if (mode === 'alone') return [];
    // The worker itself comes first, then the helpers that it calls.
    const [use] = regions.of(work.owner).parts.flatMap(({ nodes }) => {
      const uses = nodes.filter((node) => isOuterDriver(node, analysis));
      return uses.sort((a, b) => a.start - b.start);
    });
    if (use === undefined) return [];
    const reason =
      mode === 'sessions'
        ? 'With `sessions` each worker has its own browser'
        : 'The workers of a batch run at the same time, and would share one window';
    const better =
      mode === 'sessions'
        ? "Use the `driver` of the worker's tools: `async (item, { driver }) => …`"
        : "Give the batch `concurrency: 1`, or give it `sessions` and use the `driver` of the worker's tools";
    const message = `The worker of ${describeCall(work)} uses the driver of \`run\`. ${reason}. ${better}.`;
    return [warnAt(use, { rule: 'outer-driver', message })];
  });
}

/** `alone` if it is known that one worker runs at a time on the session of `run`, or if nothing is known. */
function modeOf({ call }: Work, analysis: Analysis): 'alone' | 'sessions' | 'shared' {
  const given = call.arguments[3];
  if (given === undefined) return 'shared';
  const options = valueOf(given, analysis);
  if (options.type !== 'ObjectExpression') return 'alone';
  let mode: 'alone' | 'shared' = 'shared';
  for (const property of options.properties) {
    // A spread object may hold any option.
    if (property.type === 'SpreadElement') mode = 'alone';
    else if (keyName(property) === 'sessions') return 'sessions';
    else if (keyName(property) === 'concurrency') {
      const value = valueOf(property.value, analysis);
      mode = value.type === 'Literal' && value.value === 1 ? 'alone' : 'shared';
    }
  }
  return mode;
}

function isOuterDriver(node: AnyNode, { roles, model }: Analysis): boolean {
  if (node.type !== 'Identifier' && node.type !== 'MemberExpression') return false;
  if (node.type === 'MemberExpression' && propertyName(node) !== 'driver') return false;
  // A declaration in a pattern is not a use.
  if (node.type === 'Identifier' && model.bindingOf(node)?.declaration === node) return false;
  const role = roles.roleOf(node);
  return role?.owner === 'run' && role.member === 'driver';
}

function valueOf(node: AnyNode, { model }: Analysis): AnyNode {
  const expression = unwrap(node);
  const origin = expression.type === 'Identifier' ? model.bindingOf(expression)?.origin : undefined;
  return origin?.from === 'value' && origin.path.length === 0 ? unwrap(origin.node) : expression;
}
