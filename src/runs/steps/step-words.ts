import type { StepId } from '../../registry/registry.ts';

/** Returns the name of a step or item for the middle of a sentence. {@link startSentence} makes it the start of one. */
export function describeStep({ batch, key }: StepId): string {
  return batch === null ? `the step "${key}"` : `the item "${key}" of batch "${batch}"`;
}

export function startSentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
