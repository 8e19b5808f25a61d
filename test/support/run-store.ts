import { MEMORY_REGISTRY_URL, type RunStore } from '../../src/registry/registry.ts';
import { openRun } from './opened-run.ts';

/** Opens the store of an idle run in memory. `changes` replace its methods. */
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
    saveRecord: (record, position) => store.saveRecord(record, position),
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
