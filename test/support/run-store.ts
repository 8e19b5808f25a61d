import { openRegistry, MEMORY_REGISTRY_URL, type RunStore } from '../../src/registry/registry.ts';

/** A store of a run that nobody works on, in memory, with what a test puts in its way. */
export async function openTestStore(changes: Partial<RunStore> = {}): Promise<RunStore & AsyncDisposable> {
  const registry = await openRegistry(MEMORY_REGISTRY_URL);
  await registry.runs.create({ id: 'run', action: 'test', params: {}, owner: 'run' });
  const run = await registry.runs.begin('run', { token: 1, process: { host: 'here', pid: 1, identity: '' } });
  const counts = { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };
  const store = registry.runs.openStore(run, {
    token: 1,
    snapshot: () => ({ counts, display: null, sessions: 0, reused: 0, contextLosses: 0, deaths: [], durationMs: 0 }),
    onFailure: () => undefined,
    onCancel: () => undefined,
  });
  return {
    get recordCount() {
      return store.recordCount;
    },
    declareSteps: (steps) => store.declareSteps(steps),
    endStep: (id, end, order) => store.endStep(id, end, order),
    saveRecord: (record, place) => store.saveRecord(record, place),
    noteProgress: () => store.noteProgress(),
    loadSteps: () => store.loadSteps(),
    loadSaves: () => store.loadSaves(),
    listRecords: () => store.listRecords(),
    finish: (end) => store.finish(end),
    close: () => store.close(),
    ...changes,
    async [Symbol.asyncDispose]() {
      await store.close();
      await registry.close();
    },
  };
}
