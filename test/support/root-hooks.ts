import { setTimeout as wait } from 'node:timers/promises';
import { usePrivateTmpdir } from './private-tmpdir.ts';
import { closeSharedPostgres } from './shared-postgres.ts';
import { describeExcess, endExcess, excessOf, takeStock, withoutWaiting, type Stock } from './stock.ts';

/** Processes need a moment to die after SIGKILL, and watchdogs to remove folders. */
const GRACE_MS = 2_000;
const POLL_MS = 20;
const EXIT_AFTER_MS = 3_000;

// The real timers, stored before any test fakes them: a fake clock may still be installed when the hooks run.
const sleep = wait;
const monotonicNow = performance.now.bind(performance);

const ownFolder = usePrivateTmpdir();
// Programs that tests start store their runs here and not in the user's registry.
process.env['REGISTRY_URL'] = `sqlite:${ownFolder}/registry.db`;
// Tests start about a hundred programs of the same sources. Compiling these takes half of the start.
process.env['NODE_COMPILE_CACHE'] = `${ownFolder}/compiled`;
let atStart: Stock = takeStock();
let atTestBegin: Stock = atStart;

/**
 * Fails each test that leaves a process, a session folder, a server or a timer behind. What waits for the next session of a supervisor that
 * several tests share may stay until the last of them. `.mocharc.cjs` loads this file.
 */
export const mochaHooks: Mocha.RootHookObject = {
  async beforeAll() {
    atStart = await takeStockInHook();
  },

  async beforeEach() {
    atTestBegin = await takeStockInHook();
  },

  async afterEach(this: Mocha.Context) {
    const left = await settleExcess(atTestBegin, { allowsWaiting: true });
    if (left.length === 0) return;
    // This fails the test and not the hook, because a failed root hook would end the whole run.
    (this.test as Mocha.Hook).error(new Error(`The test left behind:\n  ${left.join('\n  ')}`));
  },

  async afterAll() {
    await closeSharedPostgres();
    const left = await settleExcess(atStart);
    if (left.length === 0) return;
    // A leftover server or timer keeps Node alive, and the run would hang instead of failing.
    setTimeout(() => process.exit(), EXIT_AFTER_MS).unref();
    throw new Error(`The test run left behind:\n  ${left.join('\n  ')}`);
  },
};

/** Mocha sets an asynchronous hook's timeout after the hook's first turn. This waits for it, so that the timer is in every stock. */
async function takeStockInHook(): Promise<Stock> {
  await Promise.resolve();
  return takeStock();
}

/** Waits until nothing is in excess. After the grace period it ends the excess and returns its description. */
async function settleExcess(before: Stock, { allowsWaiting = false } = {}): Promise<string[]> {
  const deadline = monotonicNow() + GRACE_MS;
  for (;;) {
    const now = await takeStockInHook();
    const found = excessOf(before, now);
    const excess = allowsWaiting ? withoutWaiting(found, now) : found;
    const left = describeExcess(excess);
    if (left.length > 0 && monotonicNow() < deadline) {
      await sleep(POLL_MS);
      continue;
    }
    endExcess(excess);
    return left;
  }
}
