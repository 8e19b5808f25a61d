/** Executes a schedule with real processes and returns its history. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { openRegistry } from '../../../src/registry/registry.ts';
import { openCommitCutter } from '../../support/commit-cutter.ts';
import { sharedPostgres } from '../../support/shared-postgres.ts';
import { LAST } from './checker.ts';
import { monotonicMs, OWNER, RUN, type Entry, type History, type RegistryState } from './history.ts';
import { readLines, ScheduledProcess, type ProcessPool } from './processes.ts';
import { HEARTBEAT_INTERVAL_MS, type Act, type Schedule } from './schedule.ts';
import { Witness, type Restored } from './witness.ts';
import { expectedLines, openSite } from './workload.ts';

/** After this time without a call the next move is made, because all processes may be suspended or over. */
const STALL_MS = 400;
const POLL_MS = 5;
/** The time limit of a process. It is longer than any retry of an unreachable registry except for commits. */
const END_LIMIT_MS = 15_000;
/** The time for which the last process waits for the owner. It is longer than a lease. */
const LAST_WAIT_MS = 10_000;
/** The longest wait for a cancel while the run's row is locked. */
const CANCEL_LIMIT_MS = 3_000;

type Fact = Entry extends infer One ? (One extends Entry ? Omit<One, 'at' | 'by'> : never) : never;

export async function runSchedule(schedule: Schedule, pool: ProcessPool): Promise<History> {
  const folder = mkdtempSync(path.join(tmpdir(), 'hs-'));
  try {
    return await direct(schedule, { folder, pool });
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function direct(
  { seed, database, processes: wanted, moves }: Schedule,
  { folder, pool }: { readonly folder: string; readonly pool: ProcessPool },
): Promise<History> {
  const noted: Entry[] = [];
  const copies: RegistryState[] = [];
  let calls = 0;
  let calledAt = monotonicMs();
  const note = (by: string, fact: Fact) => void noted.push({ at: monotonicMs(), by, ...fact });
  const count = () => {
    calls += 1;
    calledAt = monotonicMs();
  };
  await using stack = new AsyncDisposableStack();
  const site = stack.use(
    await openSite(seed, (step, by) => {
      count();
      if (by !== undefined) note(by, { kind: 'called', step });
    }),
  );
  const server = stack.use(await openScriptedWebDriver());
  server.answer(
    () => true,
    ({ method, path: requested, sessionId }) => {
      const [, by = ''] = requested.split('/');
      const command = toCommand(method, requested);
      // After the start of its session a process begins the run; after its end it writes the file and the last commit.
      if (/^(POST|DELETE) \/session$/.test(command)) count();
      if (sessionId !== undefined || method === 'POST') note(by, { kind: 'command', command, session: sessionId });
      return undefined;
    },
  );
  const url = await makeRegistry(database, folder, site.url);
  const witness = await Witness.open(url);

  const cutters = new Map<string, Awaited<ReturnType<typeof openCommitCutter>>>();
  const start = async (name: string, waitMs: number) => {
    const worker = pool.take();
    stack.defer(() => pool.giveBack(worker));
    let registryUrl = url;
    if (database === 'postgres') {
      const cutter = stack.use(await openCommitCutter(Number(new URL(url).port)));
      cutters.set(name, cutter);
      const own = new URL(url);
      own.port = String(cutter.port);
      own.searchParams.set('options', `-c history.pid=${worker.pid}`);
      registryUrl = own.href;
    }
    const historyFile = path.join(folder, `${name}.jsonl`);
    const options = { name, historyFile, registryUrl, gridUrl: server.url, waitMs };
    await worker.ready;
    return new ScheduledProcess(worker, { ...options, heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS });
  };
  // The last process is a new one, because processes are distinguished by their pids.
  const all = await Promise.all(
    [...wanted, { name: LAST, waitMs: LAST_WAIT_MS }].map(({ name, waitMs }) => start(name, waitMs)),
  );
  const byName = new Map(all.map((one) => [one.name, one]));
  const working = () => all.filter((one) => one.isWorking);

  const make = async (act: Act): Promise<void> => {
    const target = 'who' in act ? byName.get(act.who) : undefined;
    const by = 'who' in act ? act.who : 'registry';
    const suspend = (forMs: number) => target?.suspend(forMs, () => note(by, { kind: 'fault', what: 'woken' }));
    note(by, { kind: 'fault', what: JSON.stringify(act) });
    const restore = (restored: Restored | undefined) =>
      restored === undefined ? undefined : note(by, { kind: 'restored', ...restored });
    switch (act.act) {
      case 'begin':
        return target?.begin();
      case 'kill':
        return target?.kill();
      case 'suspend':
        return suspend(act.forMs);
      case 'set-clock':
        return target?.setClock(act.byMs);
      case 'cut':
        return cutters.get(act.who)?.cutNextCommit(act.when, () => {
          note(by, { kind: 'fault', what: 'cut' });
          if (act.suspendForMs > 0) suspend(act.suspendForMs);
        });
      case 'lock':
        return witness.holdLock(act.forMs);
      case 'copy': {
        const copy = await witness.copy();
        if (copy !== undefined) copies.push(copy);
        return undefined;
      }
      case 'restore':
        return restore(copies.length === 0 ? undefined : await witness.restore());
      case 'replace-file':
        return restore(copies.length === 0 ? undefined : await witness.replaceFile());
      case 'cancel':
        return cancel(url);
      case 'end-sessions':
        return server.endSession();
    }
  };

  const files: string[][] = [];
  const readFile = async (): Promise<RegistryState> => {
    const state = await witness.state();
    if (state.run['status'] === 'completed') files.push(readLines(path.join(folder, 'output', 'records.jsonl')));
    return state;
  };

  for (const { afterCalls, afterMs, ...act } of moves) {
    const from = calls;
    const since = monotonicMs();
    const isDue = () => calls - from >= afterCalls || monotonicMs() - Math.max(since, calledAt) > STALL_MS;
    while (!isDue() && working().length > 0) await pause(POLL_MS);
    if (working().length > 0) await pause(afterMs);
    await make(act);
  }
  await Promise.all(all.filter(({ name }) => name !== LAST).map((one) => end(one, note)));
  await readFile();
  byName.get(LAST)?.begin();
  await Promise.all(all.filter(({ name }) => name === LAST).map((one) => end(one, note)));
  const final = await readFile();
  const entries = [...noted, ...all.flatMap((one) => one.entries())].sort((one, other) => one.at - other.at);
  return { expected: expectedLines(), entries, changes: await witness.changes(), copies, final, files };
}

function toCommand(method: string, requested: string): string {
  return `${method} ${/\/session(?:\/[^/]+)?(\/.*)?$/.exec(requested)?.[1] ?? '/session'}`;
}

/** Makes a registry with a pending run. Returns its URL. */
async function makeRegistry(database: Schedule['database'], folder: string, site: string): Promise<string> {
  let url: string;
  if (database === 'sqlite') {
    const link = path.join(folder, 'registry');
    mkdirSync(path.join(folder, 'generation-1'));
    symlinkSync(path.join(folder, 'generation-1'), link);
    url = `sqlite:${path.join(link, 'registry.db')}`;
  } else {
    const postgres = await sharedPostgres();
    url = await postgres.createDatabase();
  }
  await using registry = await openRegistry(url);
  const output = path.join(folder, 'output');
  await registry.runs.create({ id: RUN, action: 'history', params: { site }, owner: OWNER, options: { output } });
  return url;
}

async function cancel(url: string): Promise<void> {
  await using registry = await openRegistry(url);
  await Promise.race([registry.runs.requestCancel(RUN), pause(CANCEL_LIMIT_MS, undefined, { ref: false })]);
}

/** Waits for a process that has begun. Kills it if it does not end in time. */
async function end(one: ScheduledProcess, note: (by: string, fact: Fact) => void): Promise<void> {
  if (!one.hasBegun) return;
  const exit = await Promise.race([one.over, pause(END_LIMIT_MS, 'hung' as const, { ref: false })]);
  if (exit === 'hung') {
    note(one.name, { kind: 'hung' });
    await one.kill();
  } else if (exit !== undefined) note(one.name, { kind: 'exited', ...exit });
}
