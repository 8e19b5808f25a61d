import type { StepFunction, StepOptions, StepTools } from '../context.ts';

/** The call signature of {@link StepFunction}, without its property `key`. */
export type StepCall = <Value>(
  key: string,
  work: (tools: StepTools) => Promise<Value> | Value,
  options?: StepOptions<Value>,
) => Promise<Value>;

/** Gives `call` the property `key` that {@link StepFunction} has. `readKey` is called at each access. */
export function toStepFunction(call: StepCall, readKey: () => string | undefined): StepFunction {
  return Object.defineProperty(call, 'key', { get: readKey, enumerable: true }) as StepFunction;
}
