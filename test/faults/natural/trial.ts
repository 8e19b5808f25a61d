/** One trial: the program runs a natural action on its own site, and is disturbed at given moments. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { RunOutcome } from 'webdriver-supervisor';
import { killProcess, leftovers, listProcesses, strikeSession } from 'webdriver-supervisor/testing';

import { openRegistry } from '../../../src/registry/registry.ts';
import { NaturalSite, type Interruption } from '../../fixtures/natural/site/natural-site.ts';
import type { SiteEffects } from '../../fixtures/natural/site/state.ts';
import { Program } from '../program.ts';
import { filterShown, hasShownPage, sessionsOf } from './sessions-of.ts';

/** The time after which a program counts as hanging. The longest undisturbed one takes a few seconds. */
const PROGRAM_LIMIT_MS = 60_000;
/** The time in which watchdogs remove the leftovers of a killed program. */
const CLEANUP_LIMIT_MS = 4_000;
const POLL_MS = 20;

export const NATURAL_FAULTS = ['browser-killed', 'driver-killed', 'tab-crashed', 'program-killed'] as const;
export type NaturalFault = (typeof NATURAL_FAULTS)[number];

/** A request, or a number of milliseconds after the first request. */
export type Moment = Interruption | { readonly afterMs: number };

export interface Strike {
  readonly fault: NaturalFault;
  readonly moment: Moment;
  /** A number in [0, 1) that chooses one of several browsers. */
  readonly pick: number;
}

/** The observations of a trial from outside. */
export interface Observation {
  /** The exit code of the last program; null if it hung and was killed. */
  readonly code: number | null;
  readonly outcome: RunOutcome | null;
  /** Everything that all programs of the trial printed for users. */
  readonly text: string;
  /** `dataset: JSON`, in the order of the files. The site's address is `http://site`. */
  readonly records: readonly string[];
  readonly effects: SiteEffects;
  /** The requests that were posted more than once. */
  readonly repeatedPosts: readonly string[];
  readonly requestCount: number;
  /** The time from the first request to the last one. */
  readonly spanMs: number;
  /** The faults that hit a process. */
  readonly struck: readonly NaturalFault[];
  readonly left: readonly string[];
  readonly durationMs: number;
}

export async function runTrial(action: string, strikes: readonly Strike[] = []): Promise<Observation> {
  const folder = mkdtempSync(path.join(tmpdir(), 'n-'));
  mkdirSync(path.join(folder, 't'));
  await using site = await NaturalSite.open();
  const stage = new Stage(action, site, folder);
  try {
    return await stage.play(strikes);
  } finally {
    stage.clear();
    rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

class Stage {
  readonly #action: string;
  readonly #site: NaturalSite;
  readonly #folder: string;
  readonly #end = new AbortController();
  readonly #struck: NaturalFault[] = [];
  readonly #text: string[] = [];
  #program: Program | undefined;

  constructor(action: string, site: NaturalSite, folder: string) {
    this.#action = action;
    this.#site = site;
    this.#folder = folder;
  }

  async play(strikes: readonly Strike[]): Promise<Observation> {
    const startedAt = performance.now();
    for (const { moment, ...strike } of strikes) {
      if ('request' in moment) this.#site.interrupt(moment, () => this.#strike(strike));
      else void this.#strikeLater(moment.afterMs, strike);
    }
    const { code, outcome } = await this.#runUntilItEnds();
    this.#end.abort();
    const { requests, effects, repeatedRequests } = this.#site;
    return {
      code,
      outcome,
      text: this.#normalise(this.#text.join('\n')),
      records: this.#readRecords(),
      effects,
      repeatedPosts: [...repeatedRequests.keys()].filter((request) => request.startsWith('POST ')),
      requestCount: requests.length,
      spanMs: (requests.at(-1)?.at ?? 0) - (requests[0]?.at ?? 0),
      struck: this.#struck,
      left: await this.#waitUntilCleared(),
      durationMs: performance.now() - startedAt,
    };
  }

  /** Ends the leftovers of a failed trial. */
  clear(): void {
    this.#end.abort();
    if (this.#program?.signal.aborted === false) killProcess(this.#program.pid);
    for (const { pid } of this.#leftovers.processes) killProcess(pid);
  }

  /** Runs the program. After a kill it resumes the run by its id, like an operator. */
  async #runUntilItEnds(): Promise<{ code: number | null; outcome: RunOutcome | null }> {
    for (;;) {
      const program = await this.#start();
      this.#program = program;
      const limit = AbortSignal.timeout(PROGRAM_LIMIT_MS);
      const onLimit = () => void killProcess(program.pid);
      limit.addEventListener('abort', onLimit);
      const { code, signal } = await program.ended();
      limit.removeEventListener('abort', onLimit);
      const lastLine = program.stdout.at(-1) ?? '';
      const outcome = lastLine.startsWith('{"runId"') ? (JSON.parse(lastLine) as RunOutcome) : null;
      this.#text.push(...program.stderr, ...program.stdout.slice(0, outcome === null ? undefined : -1));
      if (signal === 'SIGKILL' && !limit.aborted) continue;
      return { code, outcome };
    }
  }

  async #start(): Promise<Program> {
    const registryUrl = `sqlite:${path.join(this.#folder, 'registry.db')}`;
    const run = this.#program === undefined ? undefined : await findRun(registryUrl);
    const how =
      run === undefined ? ['--url', this.#site.url, '--output', path.join(this.#folder, 'output')] : ['--resume', run];
    return Program.start(['run', `test/fixtures/natural/${this.#action}.ts`, ...how, '--json'], {
      env: { REGISTRY_URL: registryUrl, TMPDIR: this.#temporary },
    });
  }

  async #strikeLater(afterMs: number, strike: Omit<Strike, 'moment'>): Promise<void> {
    const { signal } = this.#end;
    await untilEnd(signal, async () => {
      await this.#site.waitForRequest(() => true, { signal });
      await sleep(afterMs, undefined, { signal });
      await this.#strike(strike);
    });
  }

  /** Resolves with false if no process was hit, or is hit only later. */
  async #strike({ fault, pick }: Omit<Strike, 'moment'>): Promise<boolean> {
    const program = this.#program;
    if (program === undefined || program.signal.aborted) return false;
    if (fault === 'program-killed') {
      if (!killProcess(program.pid)) return false;
      this.#struck.push(fault);
      await program.ended();
      return true;
    }
    const { signal } = this.#end;
    const all = sessionsOf(program.pid);
    const shown = await filterShown(all, signal);
    // The run does not have a session that is still starting.
    const sessions = shown.length > 0 ? shown : all;
    const session = sessions[Math.floor(pick * sessions.length)];
    if (session === undefined) return false;
    const strike = async () => {
      this.#struck.push(fault);
      const pids = { driver: session.driver.pid, browser: session.browser.pid };
      // The id and the endpoint are used only to quit a session from outside.
      await strikeSession(fault, { pids, sessionId: '', endpointUrl: '' });
    };
    if (fault !== 'tab-crashed' || shown.includes(session)) {
      await strike();
      return true;
    }
    // The answer of this page may wait for this strike.
    void untilEnd(signal, async () => {
      if (await hasShownPage(session.browser, signal)) await strike();
    });
    return false;
  }

  #readRecords(): string[] {
    const folder = path.join(this.#folder, 'output');
    const names = readFolder(folder).filter((name) => name.endsWith('.jsonl'));
    return names.sort().flatMap((name) => {
      const lines = readFileSync(path.join(folder, name), 'utf8').split('\n').filter(Boolean);
      return lines.map((line) => `${path.parse(name).name}: ${this.#normalise(line)}`);
    });
  }

  #normalise(text: string): string {
    return text.replaceAll(this.#site.url, 'http://site').replaceAll(this.#folder, '<folder>');
  }

  get #temporary(): string {
    return path.join(this.#folder, 't');
  }

  get #leftovers() {
    return leftovers(listProcesses(), this.#temporary);
  }

  async #waitUntilCleared(): Promise<string[]> {
    const deadline = performance.now() + CLEANUP_LIMIT_MS;
    for (;;) {
      const { processes, folders } = this.#leftovers;
      const left = [...processes.map(({ pid, command }) => `process ${pid}: ${command.slice(0, 100)}`), ...folders];
      if (left.length === 0 || performance.now() > deadline) return left;
      await sleep(POLL_MS);
    }
  }
}

/** Does work that is abandoned when the signal aborts. */
async function untilEnd(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}

async function findRun(registryUrl: string): Promise<string | undefined> {
  await using registry = await openRegistry(registryUrl);
  const [run] = await registry.runs.list({ limit: 1 });
  return run?.id;
}

function readFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
