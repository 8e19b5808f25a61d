/** The rows of the reason `out-of-memory`. */
import { findVictim, isCrash, signalOf } from './ends.ts';
import type { Facts } from './facts.ts';
import { bytes, bytesOf, quote, type Row } from './row.ts';

/** Programs that prevent lack of memory, such as earlyoom and systemd-oomd, kill when so much is used. */
const NEARLY_FULL = 0.95;
/** A sample of a process may be some seconds old, and memory may grow in large steps. */
const NEAR_PROCESS_LIMIT = 0.8;
const HEAP_WORDS = /V8 javascript OOM|JavaScript heap out of memory|Reached heap limit/;
const MEMORY_WORDS = /out of memory|bad_alloc|Cannot allocate memory|ENOMEM/i;
/** V8's report of a collection: `Mark-Compact (reduce) 66.5 (67.3) -> 66.5 (67.3) MB`. */
const HEAP_SIZE = /-> [\d.]+ \(([\d.]+)\) MB/g;

const wasKilled = (facts: Facts) => signalOf(findVictim(facts)?.end) === 'SIGKILL';
const hasCrashed = (facts: Facts) => isCrash(findVictim(facts)?.end);
/** True if a process ended in a way that is not known. */
const endedSomehow = (facts: Facts) => {
  const victim = findVictim(facts);
  return victim !== undefined && victim.end === undefined;
};
const nameOf = (facts: Facts) => findVictim(facts)?.name ?? 'browser';

const isMemoryNearlyFull = ({ memory: { cgroup, machine } }: Facts) =>
  [cgroup, machine].some((usage) => usage !== undefined && usage.used >= NEARLY_FULL * usage.limit);

/** `: 260 MB of 260 MB were used`. The kernel kills when the limit is reached, and the last sample is older. */
function describeLimit({ memory }: Facts): string {
  const { cgroup, cgroupPeakBytes, machine } = memory;
  if (cgroup !== undefined) {
    const used = Math.max(cgroup.used, Math.min(cgroupPeakBytes ?? 0, cgroup.limit));
    return `: ${bytesOf({ ...cgroup, used })} were used`;
  }
  return machine === undefined ? '' : `: the machine has ${bytes(machine.limit)}`;
}

function describeBrowser({ memory: { browserBytes, largestBytes } }: Facts): string | undefined {
  if (browserBytes === undefined || largestBytes === undefined) return undefined;
  return `in the last sample the browser's processes used ${bytes(browserBytes)}, the largest ${bytes(largestBytes)}`;
}

function adviseMemory({ memory: { cgroup } }: Facts): string {
  if (cgroup === undefined)
    return 'Give the machine more memory, run fewer sessions (MAX_SESSIONS), or open fewer pages at a time';
  return `Raise the container's memory limit (now ${bytes(cgroup.limit)}; docker run --memory), run fewer sessions (MAX_SESSIONS), or open fewer pages at a time`;
}

export const MEMORY_ROWS: readonly Row[] = [
  {
    // The kernel counts a kill before it sends the signal.
    reason: 'out-of-memory',
    confidence: 'certain',
    when: (facts) => wasKilled(facts) && (facts.memory.oomKills ?? 0) > 0,
    evidence: (facts) => [
      `the kernel killed the ${nameOf(facts)} for lack of memory${describeLimit(facts)}`,
      `oom_kill of the browser's cgroup rose by ${facts.memory.oomKills}`,
      describeBrowser(facts),
    ],
    advice: adviseMemory,
  },
  {
    reason: 'out-of-memory',
    confidence: 'certain',
    when: ({ tab }) => tab?.status === 'oom',
    evidence: (facts) => [`the tab ran out of memory, says Chromium${describeLimit(facts)}`, describeBrowser(facts)],
    advice: adviseMemory,
  },
  {
    reason: 'out-of-memory',
    confidence: 'certain',
    when: (facts) => (hasCrashed(facts) || endedSomehow(facts)) && HEAP_WORDS.test(facts.output),
    evidence: (facts) => {
      const size = [...facts.output.matchAll(HEAP_SIZE)].at(-1)?.[1];
      const limit = size === undefined ? '' : ` of ${Math.round(Number(size))} MB`;
      return [
        `the JavaScript of the page used its whole heap${limit}`,
        quote(facts, HEAP_WORDS),
        describeBrowser(facts),
      ];
    },
    advice: () =>
      'Load less data in one page, or raise the limit: add --js-flags=--max-old-space-size=4096 to BROWSER_ARGUMENTS',
  },
  {
    // Without a cgroup that counts, only the machine's counter shows a kill, and that may have hit another program.
    reason: 'out-of-memory',
    confidence: 'likely',
    when: (facts) => {
      const { oomKills, machineOomKills = 0 } = facts.memory;
      return (wasKilled(facts) && (oomKills ?? machineOomKills) > 0) || (endedSomehow(facts) && (oomKills ?? 0) > 0);
    },
    evidence: (facts) => [
      `the kernel killed a process for lack of memory when the ${nameOf(facts)} died${describeLimit(facts)}`,
      describeBrowser(facts),
    ],
    advice: adviseMemory,
  },
  {
    reason: 'out-of-memory',
    confidence: 'likely',
    when: (facts) => wasKilled(facts) && isMemoryNearlyFull(facts),
    evidence: (facts) => [
      `the ${nameOf(facts)} was ended by SIGKILL while memory was nearly full${describeLimit(facts)}`,
      facts.memory.machine && `the machine used ${bytesOf(facts.memory.machine)}`,
      describeBrowser(facts),
    ],
    advice: adviseMemory,
  },
  {
    reason: 'out-of-memory',
    confidence: 'likely',
    when: (facts) => hasCrashed(facts) && MEMORY_WORDS.test(facts.output),
    evidence: (facts) => [
      `the ${nameOf(facts)} could not get memory${describeLimit(facts)}`,
      quote(facts, MEMORY_WORDS),
      describeBrowser(facts),
    ],
    advice: adviseMemory,
  },
  {
    reason: 'out-of-memory',
    confidence: 'likely',
    when: (facts) => {
      const { largestBytes = 0, processLimit = Infinity } = facts.memory;
      return hasCrashed(facts) && largestBytes >= NEAR_PROCESS_LIMIT * processLimit;
    },
    evidence: ({ memory: { largestBytes = 0, processLimit = 0 } }) => [
      `a process of the browser used ${bytes(largestBytes)}, and its limit is ${bytes(processLimit)} (ulimit -d or -v)`,
    ],
    advice: () => 'Raise the limit of a process with `ulimit -d unlimited; ulimit -v unlimited`',
  },
];
