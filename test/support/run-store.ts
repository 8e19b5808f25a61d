import { MEMORY_REGISTRY_URL, type RunStore } from '../../src/registry/registry.ts';
import { openRun } from './opened-run.ts';

/** A store of a run that nobody works on, in memory, with what a test puts in its way. */
export async function openTestStore(changes: Partial<RunStore> = {}): Promise<RunStore & AsyncDisposable> {
  const run = await openRun(MEMORY_REGISTRY_URL);
  const { store } = run;
  return {
    get recordCount() {
      return store.recordCount;
    },
    declareSteps: (steps) => store.declareSteps(steps),
    beginStep: (step) => store.beginStep(step),
    noteEffect: (step) => store.noteEffect(step),
    endStep: (id, end, order) => store.endStep(id, end, order),
    findReplaced: (records, order) => store.findReplaced(records, order),
    saveRecord: (record, place) => store.saveRecord(record, place),
    noteProgress: () => store.noteProgress(),
    loadSteps: () => store.loadSteps(),
    loadSaves: () => store.loadSaves(),
    listRecords: () => store.listRecords(),
    prove: () => store.prove(),
    finish: (end) => store.finish(end),
    close: () => store.close(),
    ...changes,
    [Symbol.asyncDispose]: () => run[Symbol.asyncDispose](),
  };
}
