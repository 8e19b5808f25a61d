/**
 * Finds out why a session died. Rules of this module:
 * - The facts are read at the session's start (a baseline), rarely while it lives (samples), and synchronously at the death, because its
 *   processes and its folder are removed right after it.
 * - One pure table turns the facts into a diagnosis. It never guesses: without a fact, the reason is `unknown`.
 * - A fact that this system does not show, as on macOS or on a Grid, is missing. No read throws.
 */
import { performance as loopMonitor } from 'node:perf_hooks';

import type { Capabilities } from 'selenium-webdriver';

import type { DeathReport, Diagnosis } from '../../model/death.ts';
import {
  findCgroups,
  readMemory,
  readMemoryPeak,
  readOomKills,
  readProcesses,
  readRefusedProcesses,
  type Cgroups,
} from './cgroup.ts';
import type { DeathHistory } from './death-history.ts';
import type { Facts, FreeSpace, Memory, ProcessEnd, TabCrash, Usage } from './facts.ts';
import { versionsFit } from '../locate.ts';
import { readTreeMemory } from '../process-memory.ts';
import { readFreeSpace, readLoad, readMachineMemory, readMachineOomKills } from './machine.ts';
import { hasOpenFileIn, identify, readDescriptors, readEnd, readLimit, type KnownProcess } from './proc.ts';
import { findReason, mayBePage } from './reasons.ts';
import { SleepClock } from './sleep-clock.ts';

export { DeathHistory } from './death-history.ts';
export type { Facts, TabCrash } from './facts.ts';

/** The minimum interval of the samples. One takes 0.8 ms with six tabs (measured). */
const SAMPLE_INTERVAL_MS = 1_000;
/** Samples take at most 0.1 % of the time of this program. */
const SAMPLE_TIME_DIVISOR = 1_000;
/** A kill for lack of memory may be counted by the last sample if that is younger. Then the sample before it is compared. */
const MIN_SAMPLE_AGE_MS = 1_000;
/** A sleep of the machine explains a death within this time after it. */
const SLEEP_EFFECT_MS = 60_000;
/** Shorter sleeps explain nothing. */
const MIN_SLEEP_MS = 1_000;
/** The length of the end of an output by which it is found again. */
const MARK_LENGTH = 200;
const SHARED_MEMORY = '/dev/shm';
/** A message of a page in Chromium's output: `[…:INFO:CONSOLE:1] "text", source: http://… (1)`. The text may have several lines. */
const CONSOLE_MESSAGE = /^\[[^\]\n]*:CONSOLE[:(]\d+\)?\] "[^]*?(?:", source: .* \(\d+\)$|(?![^]))/gm;
/** The end of such a message, whose beginning is no longer in the output, and all that precedes it. */
const CUT_CONSOLE_MESSAGE = /^[^]*", source: .* \(\d+\)$/m;

/** The parts of a session that are watched. */
export interface SessionParts {
  /** This program's own driver; undefined if the session is at another program's endpoint, on a machine that may be another one. */
  readonly driver: { readonly pid: number; readonly folder: string; readonly lastOutput: string } | undefined;
  readonly capabilities: Pick<Capabilities, 'get'>;
  /** Returns the history of the session's user, who may begin after the session's start. */
  readonly history: () => DeathHistory;
}

/** The facts that change while a session lives. */
interface Sample {
  readonly at: number;
  readonly oomKills: number | undefined;
  readonly machineOomKills: number | undefined;
  readonly cgroup: Usage | undefined;
  readonly tree: ReturnType<typeof readTreeMemory>;
  readonly machine: Usage | undefined;
  readonly descriptors: Usage | undefined;
  readonly spaces: Spaces;
}

type Spaces = Pick<Facts, 'sharedMemory' | 'temporaryFolder'>;

const sleepClock = new SleepClock();

/** Collects the facts about one session. */
export class SessionFacts {
  readonly #parts: SessionParts;
  readonly #browser: KnownProcess | undefined;
  readonly #driver: KnownProcess | undefined;
  readonly #cgroups: Cgroups;
  readonly #refusedAtStart: number | undefined;
  readonly #outputAtStart: string;
  readonly #processLimit: number | undefined;
  #usesSharedMemoryFolder = false;
  /** The last two samples, the newer one first. */
  #samples: readonly [Sample, Sample];
  #nextSampleAt = 0;
  #loop = loopMonitor.eventLoopUtilization();
  /** The clocks at the last sample, and the last sleep that they showed. */
  #clocks = sleepClock.read();
  #slept = { ms: 0, at: -Infinity };
  #browserEnd: ProcessEnd | undefined;
  #tab: TabCrash | undefined;

  /** Reads the baseline. Takes 2 ms (measured). */
  constructor(parts: SessionParts) {
    this.#parts = parts;
    const { driver } = parts;
    // The pid in the capabilities of another program's endpoint may belong to another machine or container.
    this.#browser = driver === undefined ? undefined : identify(browserPidOf(parts.capabilities));
    this.#driver = identify(driver?.pid);
    const pid = this.#browser?.pid;
    this.#cgroups = pid === undefined ? { memory: undefined, pids: undefined } : findCgroups(pid);
    this.#refusedAtStart = readRefusedProcesses(this.#cgroups);
    this.#outputAtStart = driver?.lastOutput ?? '';
    this.#processLimit = pid === undefined ? undefined : readProcessLimit(pid);
    const sample = this.#read();
    this.#samples = [sample, sample];
  }

  /** Takes a sample if the last one is old enough. Costs one reading of the clock otherwise. */
  sample(): void {
    if (performance.now() < this.#nextSampleAt) return;
    // A browser that has not used the folder for its first pages gets its shared memory from elsewhere.
    if (this.#samples[0] === this.#samples[1]) this.#lookForSharedMemory();
    // A socket that closed was only broken: the browser lives.
    this.#browserEnd = undefined;
    this.#samples = [this.#read(), this.#samples[0]];
    this.#loop = loopMonitor.eventLoopUtilization();
    this.#noteSleep(SAMPLE_INTERVAL_MS);
  }

  /** Notes that a socket of the browser closed. The driver may remove its dead browser from the process table at any moment. */
  noteClosedSocket(): void {
    const end = this.#browser && readEnd(this.#browser);
    if (end !== undefined && !isEnded(this.#browserEnd)) this.#browserEnd = end;
  }

  noteTabCrash(crash: TabCrash): void {
    this.#tab = crash;
  }

  /** Returns why the session died. Reads the facts now, which takes 0.5 to 3 ms (measured). */
  diagnose(report: DeathReport, url: string | null): Diagnosis {
    const diagnosis = findReason(this.#collect(report, url));
    if (url !== null && mayBePage(report, diagnosis)) this.#parts.history().note(url);
    return diagnosis;
  }

  #collect(report: DeathReport, url: string | null): Facts {
    const { driver, capabilities, history } = this.#parts;
    this.noteClosedSocket();
    const last = this.#samples[0];
    this.#lookForSharedMemory();
    const now = this.#readSpaces();
    const load = once(() => ({
      ...readLoad(),
      ownEventLoop: loopMonitor.eventLoopUtilization(this.#loop).utilization,
    }));
    const sleptMs = once(() => this.#readSleptMs());
    return {
      report,
      isOwn: driver !== undefined,
      browser: this.#browserEnd,
      driver: this.#driver && readEnd(this.#driver),
      tab: this.#tab,
      memory: this.#readMemory(),
      sharedMemory: fuller(last.spaces.sharedMemory, now.sharedMemory),
      temporaryFolder: fuller(last.spaces.temporaryFolder, now.temporaryFolder),
      descriptors: (this.#browser && readDescriptors(this.#browser.pid)) ?? last.descriptors,
      processes: readProcesses(this.#cgroups),
      refusedProcesses: growth(this.#refusedAtStart, readRefusedProcesses(this.#cgroups)),
      // Most deaths are explained without these two, whose files take a third of the time of a diagnosis.
      get load() {
        return load();
      },
      get sleptMs() {
        return sleptMs();
      },
      output: withoutConsole(outputSince(this.#outputAtStart, driver?.lastOutput ?? '')),
      mismatch: findMismatch(capabilities),
      deathsAtPage: url === null ? 0 : history().countAt(url),
      url,
    };
  }

  #readMemory(): Memory {
    const [last, previous] = this.#samples;
    const before = performance.now() - last.at < MIN_SAMPLE_AGE_MS ? previous : last;
    return {
      oomKills: growth(before.oomKills, readOomKills(this.#cgroups)),
      machineOomKills: growth(before.machineOomKills, this.#parts.driver && readMachineOomKills()),
      cgroup: last.cgroup,
      cgroupPeakBytes: readMemoryPeak(this.#cgroups),
      browserBytes: last.tree?.totalBytes,
      largestBytes: last.tree?.largestBytes,
      machine: last.machine,
      processLimit: this.#processLimit,
    };
  }

  #read(): Sample {
    const at = performance.now();
    const sample = this.#readAt(at);
    const tookMs = performance.now() - at;
    this.#nextSampleAt = at + Math.max(SAMPLE_INTERVAL_MS, tookMs * SAMPLE_TIME_DIVISOR);
    return sample;
  }

  #readAt(at: number): Sample {
    const pid = this.#browser?.pid;
    const isOwn = this.#parts.driver !== undefined;
    return {
      at,
      oomKills: readOomKills(this.#cgroups),
      machineOomKills: isOwn ? readMachineOomKills() : undefined,
      cgroup: readMemory(this.#cgroups),
      tree: pid === undefined ? undefined : readTreeMemory(pid),
      machine: isOwn ? readMachineMemory() : undefined,
      descriptors: pid === undefined ? undefined : readDescriptors(pid),
      spaces: this.#readSpaces(),
    };
  }

  #readSpaces(): Spaces {
    const { driver } = this.#parts;
    const pids = [driver?.pid, this.#browser?.pid];
    return {
      sharedMemory: this.#usesSharedMemoryFolder ? readFreeSpace(SHARED_MEMORY, pids) : undefined,
      temporaryFolder: driver && readFreeSpace(driver.folder, pids),
    };
  }

  #lookForSharedMemory(): void {
    const pid = this.#browser?.pid;
    this.#usesSharedMemoryFolder ||= pid !== undefined && hasOpenFileIn(SHARED_MEMORY, pid);
  }

  /** Returns the longest sleep of the machine within the last minute. */
  #readSleptMs(): number {
    this.#noteSleep();
    return performance.now() - this.#slept.at < SLEEP_EFFECT_MS ? this.#slept.ms : 0;
  }

  #noteSleep(maxAgeMs = 0): void {
    const clocks = sleepClock.read(maxAgeMs);
    const ms = clocks.minAheadMs - this.#clocks.maxAheadMs;
    this.#clocks = clocks;
    if (ms > MIN_SLEEP_MS) this.#slept = { ms, at: performance.now() };
  }
}

/** Returns the pid of the browser. It is valid only on the machine, and in the container, where the browser runs. */
export function browserPidOf(capabilities: Pick<Capabilities, 'get'>): number | undefined {
  const pid: unknown = capabilities.get('goog:processID') ?? capabilities.get('moz:processID');
  return typeof pid === 'number' ? pid : undefined;
}

/** Returns the versions of Chromium and its driver if they do not fit each other. */
function findMismatch(capabilities: Pick<Capabilities, 'get'>): Facts['mismatch'] {
  const browser: unknown = capabilities.get('browserVersion');
  const { chromedriverVersion: driver } = (capabilities.get('chrome') ?? {}) as { chromedriverVersion?: string };
  if (typeof browser !== 'string' || driver === undefined || versionsFit(browser, driver)) return undefined;
  return { browser, driver: driver.split(' ')[0] ?? driver };
}

/** Returns the state of a folder that had less space. The end of a process frees what it used. */
function fuller(one: FreeSpace | undefined, other: FreeSpace | undefined): FreeSpace | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.freeBytes < other.freeBytes ? one : other;
}

function isEnded(end: ProcessEnd | undefined): boolean {
  return end?.kind === 'signal' || end?.kind === 'code';
}

/** Returns a function that calls `read` at most once and returns its result. */
function once<Value>(read: () => Value): () => Value {
  let known: { readonly value: Value } | undefined;
  return () => (known ??= { value: read() }).value;
}

function growth(before: number | undefined, now: number | undefined): number | undefined {
  return before === undefined || now === undefined ? undefined : Math.max(0, now - before);
}

/** Returns the lower of the limits of a process's address space and of its data. */
function readProcessLimit(pid: number): number | undefined {
  const limits = ['Max address space', 'Max data size'].map((name) => readLimit(pid, name) ?? Infinity);
  const limit = Math.min(...limits);
  return limit === Infinity ? undefined : limit;
}

/** Returns the part of an output's tail that was written after `earlier`, an earlier tail of the same output. */
function outputSince(earlier: string, now: string): string {
  const mark = earlier.slice(-MARK_LENGTH);
  if (mark === '') return now;
  for (let at = now.indexOf(mark); at !== -1; at = now.indexOf(mark, at + 1)) {
    const end = at + mark.length;
    if (earlier.endsWith(now.slice(0, end))) return now.slice(end);
  }
  return now;
}

/** Returns an output without what pages wrote to their consoles, because it says nothing about the browser. */
function withoutConsole(output: string): string {
  return output.replace(CONSOLE_MESSAGE, '').replace(CUT_CONSOLE_MESSAGE, '');
}
