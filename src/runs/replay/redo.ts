/** Finds the part of a run that is forgotten so that a step is done again. */
import { ConfigError } from '../../core/errors.ts';
import { toStepRowId, type StepId, type StoredStep } from '../../registry/registry.ts';
import { describeStep } from '../steps/step-words.ts';

const MAX_NAMES = 10;

export interface RedonePart {
  readonly fromOrder: number;
  /** The row ids of the steps that contain the first one. */
  readonly around: readonly string[];
  /** The steps to forget, in order. */
  readonly steps: readonly StepId[];
}

/**
 * Returns the step with the key `wanted` (or the item, as `batch/key`), everything declared after it, and the steps that contain it. Throws
 * `ConfigError` if the run `runId` has no such step.
 */
export function findRedone(steps: readonly StoredStep[], wanted: string, runId: string): RedonePart {
  const found = steps.find(({ id: { batch, key } }) => wanted === (batch === null ? key : `${batch}/${key}`));
  if (found === undefined) {
    const known = steps.filter(({ id }) => id.batch === null).map(({ id }) => `"${id.key}"`);
    throw new ConfigError(
      `The run ${runId} has no step "${wanted}" to do again. Its steps are ${known.slice(0, MAX_NAMES).join(', ') || 'none'}` +
        `${known.length > MAX_NAMES ? ` and ${known.length - MAX_NAMES} more` : ''}; an item is named as batch/key.`,
    );
  }
  const byName = new Map(steps.map((step) => [toStepRowId(step.id), step]));
  const around: string[] = [];
  for (let name = found.id.within; name !== undefined; name = byName.get(name)?.id.within) around.push(name);
  const forgotten = steps.filter((step) => step.order >= found.order || around.includes(toStepRowId(step.id)));
  return { fromOrder: found.order, around, steps: forgotten.map(({ id }) => id) };
}

/** Returns the log message about the steps that are about to be forgotten. */
export function describeForgotten(steps: readonly StepId[]): string {
  const more = steps.length - MAX_NAMES;
  const list = `${steps.slice(0, MAX_NAMES).map(describeStep).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return `Forgetting ${steps.length === 1 ? 'one step' : `${steps.length} steps`} with their records, to do them again: ${list}`;
}
