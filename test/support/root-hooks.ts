import { setTimeout as wait } from 'node:timers/promises';
import { usePrivateTmpdir } from './private-tmpdir.ts';
import { closeSharedPostgres } from './shared-postgres.ts';
import { describeExcess, endExcess, excessOf, takeStock, type Stock } from './stock.ts';

/** Processes need a moment to die after SIGKILL, and watchdogs to remove folders. */
const GRACE_MS = 2_000;
const POLL_MS = 20;
const EXIT_AFTER_MS = 3_000;

// Kept from before any fake clock: a test may still have it installed when we look.
const sleep = wait;
const monotonicNow = performance.now.bind(performance);

const ownFolder = usePrivateTmpdir();
// Runs of programs that tests start are kept there, and not where a person's are.
process.env['REGISTRY_URL'] = `sqlite:${ownFolder}/registry.db`;
// A hundred programs are started, all of the same sources: half of their start is compiling those.
process.env['NODE_COMPILE_CACHE'] = `${ownFolder}/compiled`;
let atStart: Stock = takeStock();
let atTestBegin: Stock = atStart;

/** Fails each test that leaves a process, a session's folder, a server or a timer behind. Required by `.mocharc.cjs`. */
export const mochaHooks: Mocha.RootHookObject = {
  async beforeAll() {
    atStart = await takeStockInHook();
  },

  async beforeEach() {
    atTestBegin = await takeStockInHook();
  },

  async afterEach(this: Mocha.Context) {
    const left = await settleExcess(atTestBegin);
    if (left.length === 0) return;
    // Fails the test and not this hook: a failed root hook would end the whole run.
    (this.test as Mocha.Hook).error(new Error(`The test left behind:\n  ${left.join('\n  ')}`));
  },

  async afterAll() {
    await closeSharedPostgres();
    const left = await settleExcess(atStart);
    if (left.length === 0) return;
    // A server or timer that stayed keeps Node alive, and the run would hang instead of failing.
    setTimeout(() => process.exit(), EXIT_AFTER_MS).unref();
    throw new Error(`The test run left behind:\n  ${left.join('\n  ')}`);
  },
};

/** Mocha arms an asynchronous hook's own time limit only after its first turn: so that it is in every stock, or in none. */
async function takeStockInHook(): Promise<Stock> {
  await Promise.resolve();
  return takeStock();
}

/** Waits until nothing is in excess; else ends what there is, and names it. */
async function settleExcess(before: Stock): Promise<string[]> {
  const deadline = monotonicNow() + GRACE_MS;
  for (;;) {
    const excess = excessOf(before, await takeStockInHook());
    const left = describeExcess(excess);
    if (left.length > 0 && monotonicNow() < deadline) {
      await sleep(POLL_MS);
      continue;
    }
    endExcess(excess);
    return left;
  }
}
