/** Helpers of the benchmarks: medians of candidates that run in turns in one process, and stalls of the event loop. */

/** A summary of measured values, in the unit of the values. */
export interface Sample {
  readonly median: number;
  /** The largest value. */
  readonly worst: number;
  readonly count: number;
}

export function toSample(values: readonly number[]): Sample {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)] ?? NaN, worst: sorted.at(-1) ?? NaN, count: sorted.length };
}

/** Does the work and returns its time in milliseconds. */
export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

export interface Stall {
  /** The longest time between two turns of the event loop, in milliseconds. */
  readonly longestMs: number;
  /** The longest CPU time of our own thread between two turns, in milliseconds. The rest of a stall is work of other threads and programs. */
  readonly ownMs: number;
}

/** Does the work and measures how long it blocks the event loop. */
export async function measureStall(work: () => Promise<unknown>): Promise<Stall> {
  let last = now();
  let stall: Stall = { longestMs: 0, ownMs: 0 };
  const sample = () => {
    const next = now();
    stall = {
      longestMs: Math.max(stall.longestMs, next.wallMs - last.wallMs),
      ownMs: Math.max(stall.ownMs, next.ownMs - last.ownMs),
    };
    last = next;
  };
  const timer = setInterval(sample, 1);
  await work();
  clearInterval(timer);
  sample();
  return stall;
}

function now() {
  const { user, system } = process.threadCpuUsage();
  return { wallMs: performance.now(), ownMs: (user + system) / 1_000 };
}

/**
 * Runs all candidates in turns, so that other load of the machine affects all of them. The order is reversed in every second round, and
 * its first candidate changes after every second round. `after` runs after each turn and is not measured.
 */
export async function inTurns<Name extends string>(
  candidates: Readonly<Record<Name, () => Promise<unknown>>>,
  rounds: number,
  { after = async () => undefined }: { readonly after?: () => Promise<void> } = {},
): Promise<Record<Name, Sample>> {
  const names = Object.keys(candidates) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const position = (turn + (round >> 1)) % names.length;
      const name = round % 2 === 0 ? names[position] : names.at(-1 - position);
      if (name === undefined) continue;
      values[name].push(await timeMs(candidates[name]));
      await after();
    }
  }
  return Object.fromEntries(names.map((name) => [name, toSample(values[name])])) as Record<Name, Sample>;
}

/** One line of the report: the subject, the measured number and the goal. */
export interface Row {
  readonly what: string;
  readonly measured: string;
  readonly goal: string;
  readonly isMet: boolean;
}

export function ms(value: number): string {
  return value < 10 ? `${value.toFixed(2)} ms` : `${Math.round(value)} ms`;
}
