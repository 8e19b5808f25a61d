/**
 * The memory of runs. Laws of this room: a finished step and its records are kept together or not at all; what is kept is never
 * doubled; nothing sensitive is asked to be kept.
 */
export { openMemoryRunStore } from './memory.ts';
export type { RecordEntry, RunStore, StepEnd, StepId, StepStatus } from './run-store.ts';
