/** Loses sessions on a real Selenium Grid in every way and while each kind of work is done, and prints the measured times. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { loadConfig, runAction, type SessionSupervisor } from 'webdriver-supervisor';
import { openFaultSite } from 'webdriver-supervisor/testing';

import gatherCatalog from '../../actions/gather-catalog.ts';
import { openDemoShop } from '../demo-shop/demo-shop.ts';
import { makeRandom } from '../demo-shop/random.ts';
import { findVictim, GRID_LOSSES } from '../grid/grid-losses.ts';
import { ACTIVITIES, loseSession } from '../grid/lose-session.ts';
import { openGrid, type GridBrowser } from '../grid/open-grid.ts';

export interface GridLosses {
  /** A part of the names of the losses. Default: all. */
  readonly only?: string | undefined;
  /** Default chrome. */
  readonly browser?: GridBrowser;
}

/** Returns true if no problem was found. */
export async function loseSessions({ only, browser = 'chrome' }: GridLosses): Promise<boolean> {
  const losses = GRID_LOSSES.filter(({ name }) => only === undefined || name.includes(only));
  await using site = await openFaultSite();
  await using grid = await openGrid({ nodes: 2, slots: 4, browser });
  let isFine = true;
  console.log(['loss', 'work', 'cause', 'declared ms', 'recovered ms', 'slots free ms'].join(' | '));
  for (const loss of losses)
    for (const activity of ACTIVITIES) {
      const result = await loseSession(grid, loss, { activity, page: `${site.url}/` });
      const { cause, declaredMs, recoveredMs, freedMs, problems } = result;
      console.log([loss.name, activity, cause, declaredMs, recoveredMs, freedMs].join(' | '));
      for (const problem of problems) console.log(`  WRONG: ${problem}`);
      isFine &&= problems.length === 0;
    }
  return isFine;
}

/** The losses of a run, in which the Grid is whole again after each. */
const RUN_LOSSES = ['browser killed', 'driver killed', 'node killed'];
const MIN_LIFE_MS = 300;
const MAX_LIFE_MS = 1_500;
const RUN_SESSIONS = 4;

/** Gathers the demo shop on a Grid with four sessions, and loses random ones. Returns true if all records are right. */
export async function loseSessionsOfRun({ losses, seed }: { losses: number; seed: number }): Promise<boolean> {
  const random = makeRandom(seed);
  const folder = await mkdtemp(path.join(tmpdir(), 'chaos-'));
  await using shop = await openDemoShop();
  await using grid = await openGrid({ nodes: 2, slots: RUN_SESSIONS });
  const sessions = new Set<SessionSupervisor>();
  const done: string[] = [];
  const over = new AbortController();
  const strike = async () => {
    while (done.length < losses) {
      await sleep(MIN_LIFE_MS + random() * (MAX_LIFE_MS - MIN_LIFE_MS), undefined, { signal: over.signal });
      const alive = [...sessions].filter(({ state }) => state === 'alive');
      const supervisor = alive[Math.floor(random() * alive.length)];
      const name = RUN_LOSSES[Math.floor(random() * RUN_LOSSES.length)];
      const loss = GRID_LOSSES.find((one) => one.name === name);
      if (supervisor === undefined || loss === undefined) continue;
      const { sessionId = '', pids } = supervisor;
      const victim = await findVictim(grid, { sessionId, browserPid: pids.browser ?? 0 }).catch(() => undefined);
      if (victim === undefined) continue;
      const repair = await loss.strike(victim);
      done.push(loss.name);
      await repair();
    }
  };
  const striking = strike().catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  try {
    const outcome = await runAction(
      gatherCatalog,
      { url: shop.url },
      {
        config: { ...loadConfig(), registryUrl: `sqlite:${path.join(folder, 'registry.db')}`, gridUrl: grid.url },
        output: path.join(folder, 'output'),
        sessions: RUN_SESSIONS,
        supervisor: { restartLimit: { limit: 10 * losses, windowMs: 600_000 } },
        onSession: (supervisor) => void sessions.add(supervisor),
      },
    );
    over.abort();
    await striking;
    console.log(`${outcome.status}, ${outcome.records} records, ${done.length} losses: ${done.join(', ')}`);
    if (outcome.error !== null) console.log(`  WRONG: ${outcome.error.message}`);
    const file = outcome.outputs['records'];
    const lines = file === undefined ? [] : (await readFile(file, 'utf8')).trim().split('\n');
    const isExact = isDeepStrictEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      shop.expectedRecords(),
    );
    const causes = outcome.deaths.map(({ cause }) => cause).join(', ');
    console.log(
      `deaths: ${causes}; records ${isExact ? 'exact' : 'WRONG'}; slots occupied ${(await grid.listSessions()).length}`,
    );
    return outcome.status === 'completed' && isExact && (await grid.listSessions()).length === 0;
  } finally {
    over.abort();
    await rm(folder, { recursive: true, force: true });
  }
}
