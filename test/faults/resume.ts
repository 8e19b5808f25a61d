/** Kills runs of the program by kill -9 at random moments, and resumes them until they are done. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';
import { killProcess, leftovers, newLeftovers } from 'webdriver-supervisor/testing';

import { openDemoShop, type DemoShop } from '../../scripts/demo-shop/demo-shop.ts';
import { makeRandom } from '../../scripts/demo-shop/random.ts';
import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { Program } from './program.ts';

const PAGES = 3;
const MAX_KILLS = 3;
/** The time in which watchdogs remove the leftovers of a killed program. */
const CLEANUP_LIMIT_MS = 2_000;

export interface ResumeTrial {
  readonly registryUrl: string;
  readonly runs: number;
  /** The seed of the moments of the kills. The work that they hit depends on the machine. */
  readonly seed: number;
}

/** Returns the number of killed programs. Rejects with the seed and the run if a file differs from that of the undisturbed run. */
export async function killAndResume({ registryUrl, runs, seed }: ResumeTrial): Promise<number> {
  const folder = mkdtempSync(path.join(tmpdir(), 'resume-'));
  const before = leftovers();
  await using shop = await openDemoShop({ pages: PAGES });
  await using registry = await openRegistry(registryUrl);
  const random = makeRandom(seed);
  const trial = { shop, registry, registryUrl, folder };
  try {
    const startedAt = performance.now();
    const undisturbed = await finish(startProgram(trial, 'undisturbed'));
    const longestMs = performance.now() - startedAt;
    const expected = readFileSync(undisturbed.outputs['records']!, 'utf8');
    let kills = 0;
    for (let run = 1; run <= runs; run += 1) {
      const what = `seed ${seed}, run ${run}`;
      const moments = Array.from({ length: 1 + Math.floor(random() * MAX_KILLS) }, () => random() * longestMs);
      const { outcome, killed } = await killUntilDone(trial, { name: `run-${run}`, moments });
      kills += killed;
      expect(outcome.status, what).to.equal('completed');
      expect(outcome.counts, what).to.deep.equal(undisturbed.counts);
      expect(readFileSync(outcome.outputs['records']!, 'utf8'), what).to.equal(expected);
      const stored = await registry.runs.get(outcome.runId);
      expect(stored, what).to.deep.include({ status: 'completed', records: undisturbed.records, token: null });
    }
    await cleared(before);
    expect(await registry.sessions.count({ status: ['starting', 'active'] })).to.equal(0);
    return kills;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Trial {
  readonly shop: DemoShop;
  readonly registry: Registry;
  readonly registryUrl: string;
  readonly folder: string;
}

async function killUntilDone(trial: Trial, { name, moments }: { name: string; moments: readonly number[] }) {
  const known = await trial.registry.runs.count();
  let killed = 0;
  for (const moment of moments) {
    const program = startProgram(trial, name, await newRun(trial, known));
    const wasKilled = await Promise.race([sleep(moment, true), program.ended().then(() => false)]);
    if (!wasKilled) break;
    killProcess(program.pid);
    killed += 1;
    await program.ended();
  }
  return { outcome: await finish(startProgram(trial, name, await newRun(trial, known))), killed };
}

/** Returns the run that a killed program had begun, if any. */
async function newRun({ registry }: Trial, known: number): Promise<string | undefined> {
  const [newest] = await registry.runs.list({ limit: 1 });
  return (await registry.runs.count()) > known ? newest?.id : undefined;
}

function startProgram({ shop, registryUrl, folder }: Trial, name: string, resume?: string): Program {
  const how = resume === undefined ? ['--url', shop.url, '--output', path.join(folder, name)] : ['--resume', resume];
  return Program.start(['run', 'gather-catalog', ...how, '--json'], { env: { REGISTRY_URL: registryUrl } });
}

async function finish(program: Program) {
  expect(await program.ended(), program.stderr.join('\n')).to.deep.equal({ code: 0, signal: null });
  return program.outcome;
}

async function cleared(before: ReturnType<typeof leftovers>): Promise<void> {
  const deadline = performance.now() + CLEANUP_LIMIT_MS;
  let left = newLeftovers(before);
  while (left.processes.length + left.folders.length > 0 && performance.now() < deadline) {
    await sleep(20);
    left = newLeftovers(before);
  }
  expect(left).to.deep.equal({ processes: [], folders: [] });
}
