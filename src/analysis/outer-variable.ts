/**
 * Rules `outer-variable` and `kept-element` for changes that the work of a step makes to variables around it. A finished step is not done
 * again after a death, so its change is then missing. An item of a batch that is done again makes its change twice.
 */
import type { AnyNode, FunctionNode } from './ast.ts';
import { isElement } from './elements.ts';
import { isCarried, Reads, type Change } from './reads.ts';
import type { Region } from './regions.ts';
import { describeCall, warnAt, type Analysis } from './rule.ts';
import type { Slot } from './slot.ts';
import type { SourceWarning } from './source-warning.ts';
import { isTransient } from './transient.ts';
import type { Work } from './work-calls.ts';
import { findOuterWrites, type Write } from './writes.ts';

export function findOuterVariables(analysis: Analysis): SourceWarning[] {
  const { regions, works } = analysis;
  const changesOf = new Map(works.map((work) => [work, findChanges(regions.of(work.owner), analysis)]));
  const reads = new Reads(analysis, (slot) =>
    [...changesOf.values()].flatMap((changes) => changes.filter((change) => change.slot === slot)),
  );
  const warnings: SourceWarning[] = [];
  for (const [work, changes] of changesOf) {
    // One change can be visible in several slots, such as a list and a field with this list.
    const reported = new Set<AnyNode>();
    for (const change of changes) {
      const targets = change.writes.map(({ target }) => target);
      if (targets.every((target) => reported.has(target)) || !reads.isMissed(change, work)) continue;
      for (const target of targets) reported.add(target);
      warnings.push(describe(change, work, analysis));
    }
  }
  return [...warnings, ...findModuleState(analysis, reads)];
}

/** Returns one entry for each changed variable. */
function findChanges(region: Region, analysis: Analysis): Change[] {
  const bySlot = new Map<Slot, Write[]>();
  for (const write of findOuterWrites(region, analysis))
    bySlot.set(write.slot, [...(bySlot.get(write.slot) ?? []), write]);
  return [...bySlot]
    .filter(([slot, writes]) => !isTransient(slot, writes, analysis.model))
    .map(([slot, writes]) => ({ slot, writes, region }));
}

function describe({ slot, writes }: Change, work: Work, analysis: Analysis): SourceWarning {
  const element = writes.find(({ values }) => values.some((value) => isElement(value, analysis)));
  const [first] = writes;
  const node: AnyNode = (element ?? first)?.node ?? work.call;
  const where = describeCall(work);
  const unit = work.kind === 'step' ? 'step' : 'item';
  const { site } = work;
  const { isModuleState } = slot;
  if (element !== undefined) {
    const message = `\`${slot.name}\` gets an element of the page in ${where} and is used outside of it. Elements belong to one page of one browser session, and a finished ${unit} is not done again after a restart. Find the element in the step that uses it.`;
    return warnAt(node, { rule: 'kept-element', message, site, isModuleState });
  }
  const better =
    work.kind === 'step'
      ? 'Return the value instead: `const value = await step(…)`, and change the variable outside of the step'
      : 'Return the value instead, and read it from the `results` of the batch';
  const also = isModuleState ? ' Declare the variable in `run`, not in the module.' : '';
  const loss =
    work.kind === 'step'
      ? 'A finished step is not done again after a restart, so the change is then missing'
      : 'After a restart the change of a finished item is missing, and an item that is done again makes its change twice';
  const message = `${startSentence(where)} changes \`${slot.name}\`, which is declared outside of it. ${loss}. ${better}.${also}`;
  return warnAt(node, { rule: 'outer-variable', message, site, isModuleState });
}

/** Finds variables of the module that `run` itself changes. The second entry of `run` gets them with the values of the first one. */
function findModuleState(analysis: Analysis, reads: Reads): SourceWarning[] {
  const { roles, regions, model } = analysis;
  const entries = [...roles.runs, ...roles.prepares];
  return [...roles.runs].flatMap((run) =>
    findChanges(regions.of(run), analysis)
      .filter(({ slot }) => slot.isModuleState && !isSetOnEntry(slot, entries, analysis))
      .filter((change) => isCarried(change, reads.readsOf(change.slot), model))
      .flatMap(({ slot, writes: [first] }) => {
        if (first === undefined) return [];
        const message = `\`run\` changes \`${slot.name}\`, which belongs to the module. After a restart \`run\` begins again, and the variable still has the value from before. Declare it in \`run\`.`;
        return [warnAt(first.node, { rule: 'outer-variable', message, isModuleState: true })];
      }),
  );
}

/** Returns whether `run` or `prepare` gives the variable a new value each time, by a statement of its own body. */
function isSetOnEntry(slot: Slot, entries: readonly FunctionNode[], analysis: Analysis): boolean {
  const { regions, model } = analysis;
  return entries.some((entry) => {
    const writes = findOuterWrites(regions.of(entry), analysis);
    return writes.some((write) => {
      const statement = model.parentOf(write.node);
      if (write.slot !== slot || statement?.type !== 'ExpressionStatement') return false;
      const isReset = write.kind === 'replace' && (write.node.type !== 'CallExpression' || write.values.length === 0);
      return isReset && model.parentOf(statement) === entry.body;
    });
  });
}

function startSentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
