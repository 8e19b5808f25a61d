/**
 * Does real runs in which sessions are killed, frozen, crashed and quit at random moments, until the given number of faults has happened.
 * Every run must end with exactly the data of an undisturbed run, report the right cause of each death, and leave nothing behind.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { loadConfig, runAction, type Death, type RunOutcome, type SessionSupervisor } from 'webdriver-supervisor';
import {
  CAUSE_OF_FAULT,
  leftovers,
  newLeftovers,
  SESSION_FAULTS,
  strikeSession,
  type SessionFault,
} from 'webdriver-supervisor/testing';

import gatherCatalog from '../../actions/gather-catalog.ts';
import { openDemoShop } from '../demo-shop/demo-shop.ts';
import { recordingSchema } from '../../src/model/recording.ts';
import { makeRandom, type Random } from '../demo-shop/random.ts';

/** The maximum number of faults per run. It is below the restart limit, so that each run can complete. */
const FAULTS_PER_RUN = 8;
const MIN_SESSION_LIFE_MS = 100;
const MAX_SESSION_LIFE_MS = 3_000;
const CLEANUP_GRACE_MS = 3_000;

/** Returns true if no problem was found. */
export async function strikeSessions({
  faults: wantedFaults,
  seed,
  standby,
}: {
  faults: number;
  seed: number;
  standby: boolean;
}): Promise<boolean> {
  const random = makeRandom(seed);
  const before = leftovers();
  const folder = await mkdtemp(path.join(tmpdir(), 'chaos-'));
  await using shop = await openDemoShop();
  const registryUrl = `sqlite:${path.join(folder, 'registry.db')}`;
  const expected = shop.expectedRecords().map((record) => JSON.stringify(record));
  const struck: SessionFault[] = [];
  const problems: string[] = [];

  for (let run = 1; struck.length < wantedFaults; run += 1) {
    const wanted = Math.min(FAULTS_PER_RUN, wantedFaults - struck.length);
    const faults = Array.from(
      { length: wanted },
      () => SESSION_FAULTS[Math.floor(random() * SESSION_FAULTS.length)] ?? 'browser-killed',
    );
    const done: SessionFault[] = [];
    const outcome = await runAction(
      gatherCatalog,
      { url: shop.url },
      {
        config: { ...loadConfig(), registryUrl },
        output: path.join(folder, String(run)),
        standby,
        supervisor: { heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 1_500 },
        onSession: (supervisor) => strikeEachSession(supervisor, { faults, done, random }),
      },
    );
    struck.push(...done);
    const found = await examine(outcome, { faults: done, expected, folder: path.join(folder, String(run)) });
    problems.push(...found.map((problem) => `run ${run}: ${problem}`));
    const causes = outcome.deaths.map(({ cause, detectedBy }) => `${cause} by ${detectedBy}`).join(', ');
    console.log(
      `run ${run}: ${outcome.status}, ${outcome.records} records, ${done.length} faults (${struck.length} of ${wantedFaults}): ${causes}`,
    );
    for (const problem of found) console.log(`  WRONG: ${problem}`);
    // If no fault struck, the loop would never end.
    if (done.length === 0) problems.push(`run ${run}: ended before a fault could strike`);
    if (problems.length > 20) break;
  }

  await rm(folder, { recursive: true });
  await sleep(CLEANUP_GRACE_MS);
  const left = newLeftovers(before);
  for (const { pid, command } of left.processes) problems.push(`process ${pid} is left: ${command.slice(0, 100)}`);
  for (const name of left.folders) problems.push(`folder ${name} is left`);
  const counts = Map.groupBy(struck, (fault) => fault);
  console.log(
    `\n${struck.length} faults: ${[...counts].map(([fault, { length }]) => `${fault} ${length}`).join(', ')}`,
  );
  console.log(
    problems.length === 0
      ? 'No record was lost, duplicated or wrong, every cause was right, and nothing was left behind.'
      : problems.join('\n'),
  );
  return problems.length === 0;
}

/** Strikes each session of a run once at a random moment until all faults are used. */
function strikeEachSession(
  supervisor: SessionSupervisor,
  { faults, done, random }: { faults: SessionFault[]; done: SessionFault[]; random: Random },
): void {
  const strikeLater = async () => {
    const { epoch } = supervisor;
    await sleep(MIN_SESSION_LIFE_MS + random() * (MAX_SESSION_LIFE_MS - MIN_SESSION_LIFE_MS));
    const fault = faults[0];
    if (fault === undefined || supervisor.state !== 'alive' || supervisor.epoch !== epoch) return;
    faults.shift();
    done.push(fault);
    await strikeSession(fault, supervisor);
  };
  void strikeLater();
  supervisor.on('session:started', () => void strikeLater());
}

async function examine(
  outcome: RunOutcome,
  { faults, expected, folder }: { faults: readonly SessionFault[]; expected: readonly string[]; folder: string },
): Promise<string[]> {
  const found: string[] = [];
  if (outcome.status !== 'completed') found.push(`status ${outcome.status}: ${outcome.error?.message}`);
  const { total, done, failed, cancelled, skipped } = outcome.counts;
  if (total !== done + failed + cancelled + skipped || done !== total)
    found.push(`counts ${JSON.stringify(outcome.counts)}`);
  const lines =
    outcome.outputs['records'] === undefined
      ? []
      : (await readFile(outcome.outputs['records'], 'utf8')).trimEnd().split('\n');
  const wrong =
    lines.filter((line, index) => line !== expected[index]).length + Math.abs(lines.length - expected.length);
  if (wrong > 0) found.push(`${wrong} records lost, duplicated or wrong`);
  found.push(...compareCauses(outcome.deaths, faults), ...(await findMissingFiles(outcome.deaths, folder)));
  return found;
}

/** Returns the recordings and reports that are missing or not whole. */
async function findMissingFiles(deaths: readonly Death[], folder: string): Promise<string[]> {
  const recordings = deaths.map((death, index) => ({ death, number: String(index + 1) }));
  const missing = await Promise.all(
    recordings.map(async ({ death, number }) => {
      const file = path.join(folder, 'deaths', number, 'recording.json');
      const recording = recordingSchema.safeParse(JSON.parse(await readFile(file, 'utf8').catch(() => 'null')));
      return recording.data?.death?.at === death.at ? [] : [`the recording of death ${number} is missing or wrong`];
    }),
  );
  const pages = ['report.html', ...recordings.map(({ number }) => path.join('deaths', number, 'report.html'))];
  const texts = await Promise.all(pages.map((page) => readFile(path.join(folder, page), 'utf8').catch(() => '')));
  const broken = pages.filter((_page, index) => texts[index]?.trimEnd().endsWith('</html>') !== true);
  return [...missing.flat(), ...broken.map((page) => `${page} is missing or not whole`)];
}

/** Compares the causes of the deaths with the faults. The last fault may strike a session after its work, so its death may be unnoticed. */
function compareCauses(deaths: readonly Death[], faults: readonly SessionFault[]): string[] {
  const wanted = faults.map((fault) => CAUSE_OF_FAULT[fault]);
  const seen = deaths.map(({ cause }) => cause);
  const isRight = seen.length >= wanted.length - 1 && seen.every((cause, index) => cause === wanted[index]);
  return isRight ? [] : [`faults ${faults.join(', ')} were reported as ${seen.join(', ')}`];
}
