import { openRegistry, type Registry, type RunStore, type StepEnd } from '../../src/registry/registry.ts';

const COUNTS = { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };

/** A registry for one test, with a run that began under token 1. */
export interface OpenedRun extends AsyncDisposable {
  readonly registry: Registry;
  readonly store: RunStore;
  /** The errors with which the store reported that it can't write any more. */
  readonly failures: readonly Error[];
  /** Ends the step with this number as its key, with one record of the same key. */
  endStep(number: number, text?: string): Promise<unknown>;
}

export const RUN = 'run';

export async function openRun(url: string, token = 1): Promise<OpenedRun> {
  const registry = await openRegistry(url);
  await registry.runs.create({ id: RUN, action: 'test', params: {}, owner: RUN });
  const run = await registry.runs.begin(RUN, { token, process: { host: 'here', pid: 1, identity: 'one' } });
  const failures: Error[] = [];
  const store = registry.runs.openStore(run, {
    token,
    snapshot: () => ({
      counts: COUNTS,
      display: null,
      sessions: 1,
      reused: 0,
      contextLosses: 0,
      deaths: [],
      durationMs: 0,
    }),
    onFailure: (error) => failures.push(error),
    onCancel: () => undefined,
  });
  return {
    registry,
    store,
    failures,
    endStep: (number, text = '') => {
      const record = { dataset: 'records', key: `${number}`, json: JSON.stringify({ number, text }) };
      const end: StepEnd = { status: 'done', value: undefined, records: [record] };
      return store.endStep({ batch: null, key: `${number}` }, end, number);
    },
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await registry.close();
    },
  };
}

/** Returns the numbers of the stored steps and of the stored records. */
export async function listStored({ store }: Pick<OpenedRun, 'store'>): Promise<{ steps: number[]; records: number[] }> {
  const records = await Array.fromAsync(store.listRecords());
  return {
    steps: (await Array.fromAsync(store.loadSteps())).map(({ id }) => Number(id.key)),
    records: records.map(({ key }) => Number(key)),
  };
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_unused, index) => index);
}
