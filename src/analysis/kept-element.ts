/** Rule `kept-element`: elements that are used after the end of their page or session. */
import { isLoop, isWithin, type AnyNode } from './ast.ts';
import type { Binding } from './bindings.ts';
import { containsElement, isElement } from './elements.ts';
import { describeCall, warnAt, type Analysis } from './rule.ts';
import type { SourceWarning } from './source-warning.ts';
import type { Work } from './work-calls.ts';

export function findKeptElements(analysis: Analysis): SourceWarning[] {
  return [...findReturned(analysis), ...findShared(analysis)];
}

/** Finds steps that return an element. The value of a step is stored as JSON, which can't represent an element. */
function findReturned(analysis: Analysis): SourceWarning[] {
  const { works, functions } = analysis;
  return works.flatMap((work) =>
    functions
      .returnsOf(work.owner)
      .filter((value) => containsElement(value, analysis))
      .slice(0, 1)
      .map((value) => {
        const message = `The value of ${describeCall(work)} is an element of the page, which can't be stored. Return the data that you need, such as \`await element.getText()\`, or nothing: put the last call in braces and \`await\` it.`;
        return warnAt(value, { rule: 'kept-element', message });
      }),
  );
}

/** Warns of elements found outside of steps and used in several. They are valid for at most one step: the next may follow a restart. */
function findShared(analysis: Analysis): SourceWarning[] {
  const { model, works, regions } = analysis;
  const regionsOfWork = works.map((work) => ({ work, region: regions.of(work.owner) }));
  return model.bindings.flatMap((binding) => {
    const { declaration, name } = binding;
    if (regionsOfWork.some(({ region }) => region.has(declaration)) || !isFound(binding, analysis)) return [];
    const uses = regionsOfWork.flatMap(({ work, region }) => {
      const use = binding.references.find((reference) => region.has(reference) && !isReassigned(reference, analysis));
      return use === undefined ? [] : [{ work, use }];
    });
    const bad = uses.find(({ work }, index) => index > 0 || isLater(binding, work, analysis));
    if (bad === undefined) return [];
    const message = `\`${name}\` is an element that was found outside of this step, and other steps run in between. Elements belong to one page of one browser session, and a restart may come between two steps. Find the element in the step that uses it.`;
    return [warnAt(bad.use, { rule: 'kept-element', message })];
  });
}

function isFound({ origin, declaration }: Binding, analysis: Analysis): boolean {
  if (origin.from === 'value' || origin.from === 'each') return isElement(declaration, analysis);
  return false;
}

function isReassigned(reference: AnyNode, { model }: Analysis): boolean {
  const parent = model.parentOf(reference);
  return parent?.type === 'AssignmentExpression' && parent.left === reference;
}

/** Returns whether a step may have run after the element was found and before this work. */
function isLater(binding: Binding, work: Work, analysis: Analysis): boolean {
  const { model, calls } = analysis;
  if (work.kind === 'batch') return true;
  const { origin, declaration } = binding;
  // Elements of a list are found before the loop over them.
  const found = origin.from === 'each' ? rootOf(origin.node, analysis) : declaration;
  const scope = [...model.ancestors(found)].find((node) => /^(Program|BlockStatement)$/.test(node.type));
  for (const ancestor of model.ancestors(work.site)) {
    if (ancestor === scope) break;
    const isInline = /Function/.test(ancestor.type) && model.parentOf(ancestor)?.type === 'CallExpression';
    if (isLoop(ancestor) || isInline) return true;
  }
  return calls.some(
    ({ call }) => call.start > found.end && call.end <= work.site.start && scope !== undefined && isWithin(call, scope),
  );
}

function rootOf(node: AnyNode, { model }: Analysis): AnyNode {
  return (node.type === 'Identifier' ? model.bindingOf(node)?.declaration : undefined) ?? node;
}
