/** Opens the store of a run without a browser. */
import type { Registry, RunStore } from '../../src/registry/registry.ts';

const PROCESS = { host: 'bench', pid: 1, identity: 'bench' };

export async function openStore(registry: Registry, id: string): Promise<RunStore> {
  await registry.runs.create({ id, action: 'bench', params: {}, owner: id });
  const run = await registry.runs.begin(id, { token: 1, process: PROCESS });
  const counts = { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };
  return registry.runs.openStore(run, {
    token: 1,
    snapshot: () => ({ counts, display: null, sessions: 1, reused: 0, contextLosses: 0, deaths: [], durationMs: 0 }),
    onFailure: (error) => {
      throw error;
    },
    onCancel: () => undefined,
  });
}
