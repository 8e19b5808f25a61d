import type { StoredSession } from '../../../src/model/session.ts';
import { openRegistry, type ClaimResult, type Registry, type RunStore } from '../../../src/registry/registry.ts';

export const PROCESS = { host: 'here', pid: 1, identity: 'one' };

/** Returns the session of a claim. Throws if the claim failed. */
export function claimed(answer: ClaimResult): {
  session: StoredSession;
  expired: StoredSession | null;
  isRapid: boolean;
} {
  if (!answer.isClaimed) throw new Error(`The owner is held by ${answer.heldBy.id}.`);
  const { session, expired, isRapid } = answer;
  return { session, expired, isRapid };
}

/** Opens several connections to one registry. */
export async function openSeveral(url: string, count: number) {
  const registries = await Promise.all(Array.from({ length: count }, () => openRegistry(url)));
  return {
    registries,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(registries.map((each) => each.close()));
    },
  };
}

/** Begins a run whose counts have nine steps, under the lease of `token`. */
export async function beginRun(
  registry: Registry,
  { id, token }: { id: string; token: number },
): Promise<{ store: RunStore } & AsyncDisposable> {
  await registry.runs.create({ id, action: 'test', params: {}, owner: id });
  const run = await registry.runs.begin(id, { token, process: PROCESS });
  const counts = { total: 9, queued: 3, running: 2, done: 2, failed: 1, cancelled: 0, skipped: 1 };
  const store = registry.runs.openStore(run, {
    token,
    snapshot: () => ({ counts, display: null, sessions: 1, deaths: [], durationMs: 0, reused: 0, contextLosses: 0 }),
    onFailure: () => undefined,
    onCancel: () => undefined,
  });
  return { store, [Symbol.asyncDispose]: () => store.close() };
}
