/**
 * Probes healthy sessions of real browsers on a busy machine, and counts false deaths and the time of the answers. The pages run scripts
 * that keep a renderer busy, and commands are in flight. For each candidate of a time limit it counts the probes that took longer, and what
 * the processes of the session did in that time.
 */
import { loadavg } from 'node:os';

import { watchActivity } from '../../src/driver/process-activity.ts';
import { localBrowser } from '../../test/driver/support/local-browser.ts';
import { makeRecorder, openSession } from '../../test/driver/support/sessions.ts';
import { HOG_NICE, setGroupPriority, startHogs } from './hogs.ts';

const SESSIONS = 6;
/** The number of programs that compete with the browsers. */
const HOGS = 30;
/** The rounds of pressure. In the second one, the browsers have the low priority of the hogs. */
const ROUNDS = [
  { what: 'browsers before hogs', browserNice: 0, share: 0.7 },
  { what: 'browsers equal to hogs', browserNice: HOG_NICE, share: 0.3 },
] as const;
/** The maximum time of a round. */
const ROUND_LIMIT_MS = 180_000;
const CANDIDATES_MS = [250, 500, 750, 1_000, 1_500, 2_000, 3_000];
/** The processes of a session that has not answered after this time are examined. */
const LOOK_MS = 500;
const BUSY_PAGE =
  'data:text/html,<title>busy</title><script>setInterval(() => { const t = Date.now(); while (Date.now() - t < 10); }, 50)</script>';

type Session = Awaited<ReturnType<typeof openSession>>;

type Late = Record<ReturnType<ReturnType<typeof watchActivity>['stop']>, number>;

/** Returns true if no death was declared in this number of probes. */
export async function probeUnderPressure({ probes }: { readonly probes: number }): Promise<boolean> {
  await using stack = new AsyncDisposableStack();
  const sessions: Session[] = [];
  for (let count = 0; count < SESSIONS; count += 1) {
    // A death does not end the session, so that all false deaths are counted.
    const recorder = makeRecorder({ haltsOnDeath: false });
    const session = stack.use(await openSession(await localBrowser(), { recorder, heartbeatTimeoutMs: 3_000 }));
    // Every second page keeps its renderer busy.
    if (count % 2 === 0) await session.driver.get(BUSY_PAGE);
    sessions.push(session);
  }
  const end = new AbortController();
  const working = sessions.map((session) => keepWorking(session, end.signal));
  let made = 0;
  try {
    await using _hogs = startHogs(HOGS);
    for (const { what, browserNice, share } of ROUNDS) {
      for (const pid of sessions.flatMap(pidsOf)) setGroupPriority(pid, browserNice);
      made += await probeAll(sessions, { what, probes: Math.ceil(probes * share) });
    }
  } finally {
    end.abort();
  }
  const commands = (await Promise.all(working)).reduce((sum, count) => sum + count, 0);
  const deaths = sessions.flatMap((session) => session.deaths);
  console.log(`${made} probes, ${commands} commands, ${deaths.length} false deaths`);
  for (const { cause, message } of deaths) console.log(`  ${cause}: ${message}`);
  return deaths.length === 0 && made >= probes;
}

/** Makes the probes of one round, prints its figures, and returns the number of probes. */
async function probeAll(
  sessions: readonly Session[],
  { what, probes }: { readonly what: string; readonly probes: number },
): Promise<number> {
  const startedAt = performance.now();
  const times: number[] = [];
  const late: Late = { stopped: 0, asleep: 0, running: 0, unknown: 0 };
  const isDue = () => times.length < probes && performance.now() - startedAt < ROUND_LIMIT_MS;
  await Promise.all(
    sessions.map(async (session) => {
      while (isDue()) times.push(await timeProbe(session, late));
    }),
  );
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => `${Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? NaN)} ms`;
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(
    `${what}: ${times.length} probes of ${sessions.length} sessions in ${seconds} s, load ${loadavg()[0]?.toFixed(0)}`,
  );
  console.log(
    `  answers: median ${at(0.5)}, 90 % ${at(0.9)}, 99 % ${at(0.99)}, 99.9 % ${at(0.999)}, 99.99 % ${at(0.9999)}, worst ${at(1)}`,
  );
  const counts = CANDIDATES_MS.map((ms) => `${ms} ms: ${times.filter((time) => time > ms).length}`);
  console.log(`  false deaths by a time limit alone: ${counts.join(', ')}`);
  console.log(`  processes of late sessions after ${LOOK_MS} ms: ${JSON.stringify(late)}`);
  return times.length;
}

/** Returns the time of one urgent probe in milliseconds. If it takes long, counts what the processes do in the meantime. */
async function timeProbe(session: Session, late: Late): Promise<number> {
  const watch = watchActivity(pidsOf(session), LOOK_MS / 3);
  const timer = setTimeout(() => (late[watch.stop()] += 1), LOOK_MS);
  const startedAt = performance.now();
  await session.session.probe('heartbeat', { isUrgent: true });
  clearTimeout(timer);
  watch.cancel();
  return performance.now() - startedAt;
}

function pidsOf({ session }: Session): number[] {
  return [session.driverProcess?.pid, session.browserPid].filter((pid) => pid !== undefined);
}

/** Keeps a command in flight, most of the time a slow one. Resolves with the number of commands. */
async function keepWorking({ driver }: Session, signal: AbortSignal): Promise<number> {
  let count = 0;
  while (!signal.aborted) {
    await driver.executeAsyncScript('setTimeout(arguments[0], 400)').catch(() => undefined);
    await driver.getTitle().catch(() => undefined);
    count += 2;
  }
  return count;
}
