/**
 * Decides when a session is renewed before it dies: after many pages, a long time, or with much memory. The run then continues on a new
 * session as after a death, but nothing is lost and no death is on record. A renewal needs a moment without work: before a step or batch of
 * the run, or before an item of a pool's slot.
 */
import type { Config } from '../../config/config.ts';
import { ConfigError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { count } from '../../core/describe-number.ts';
import { describeSpan } from '../../core/describe-time.ts';
import {
  readMemoryLimit,
  readTreeMemory,
  type CommandHook,
  type SessionSupervisor,
} from '../../supervisor/supervisor.ts';

/** The commands that open a page. */
const NAVIGATION = /^POST \/(url|refresh|back|forward)$/;
/** The part of the memory limit of the browser's control group at which a session is renewed by default. */
const DEFAULT_MEMORY_SHARE = 0.8;
const BYTES_PER_MB = 1_000_000;
/** Reading the memory takes up to 1 ms. */
const MEMORY_INTERVAL_MS = 1_000;

/** The limits of a session of a run. 0: no limit. */
export interface RetirementLimits {
  /** The number of navigations by commands. */
  readonly maxPages: number;
  readonly maxSessionAgeMs: number;
  /**
   * The memory of the driver, the browser and its pages in MB. Undefined: 80 % of the memory limit of the browser's control group, if it has
   * one below the memory of the machine. Known only for browsers that this program has started, on Linux.
   */
  readonly maxSessionMemoryMb: number | undefined;
}

const NO_LIMITS: RetirementLimits = { maxPages: 0, maxSessionAgeMs: 0, maxSessionMemoryMb: 0 };

/** Returns the limits of a run: its own options win over the settings. A run that does not recover renews no session. */
export function toRetirementLimits(
  { recover = true, ...given }: Partial<RetirementLimits> & { readonly recover?: boolean },
  config: Config,
): RetirementLimits {
  const limits: RetirementLimits = {
    maxPages: given.maxPages ?? config.maxPagesPerSession,
    maxSessionAgeMs: given.maxSessionAgeMs ?? config.maxSessionAgeMs,
    maxSessionMemoryMb: given.maxSessionMemoryMb ?? config.maxSessionMemoryMb,
  };
  for (const [name, limit] of Object.entries(limits) as [string, number | undefined][])
    if (limit !== undefined && !(limit >= 0)) throw new ConfigError(`${name} is ${limit}; it must be at least 0.`);
  return recover ? limits : NO_LIMITS;
}

/** The use of a supervisor's current session: its pages, its age and its memory. */
interface SessionUse {
  pages: number;
  startedAt: number;
  memoryMb: number;
  memoryLimitMb: number | undefined;
  memoryReadAt: number;
}

export class Retirement {
  readonly #limits: RetirementLimits;
  readonly #log: Log;
  readonly #uses = new WeakMap<SessionSupervisor, SessionUse>();
  /** The limits that a new session has exceeded before its first work. They would renew every session at once. */
  readonly #futile = new Set<keyof RetirementLimits>();

  constructor(limits: RetirementLimits, log: Log) {
    this.#limits = limits;
    this.#log = log;
  }

  /** Counts the pages of a session that is about to be started. `follow` is called with its supervisor. */
  track(before?: CommandHook): {
    readonly beforeCommand: CommandHook;
    readonly follow: (of: SessionSupervisor) => void;
  } {
    const use = makeUse();
    return {
      beforeCommand: (command) => {
        if (NAVIGATION.test(command.label)) use.pages += 1;
        return before?.(command);
      },
      follow: (supervisor) => {
        this.#uses.set(supervisor, use);
        supervisor.on('session:started', () => Object.assign(use, makeUse()));
      },
    };
  }

  /** Called when a session is prepared, before its first work. Ignores a limit from then on that it has exceeded already. */
  begin(supervisor: SessionSupervisor): void {
    const found = this.#find(supervisor);
    const use = this.#uses.get(supervisor);
    // The first work may change the memory within the interval.
    if (use !== undefined) use.memoryReadAt = -Infinity;
    if (found === undefined) return;
    this.#futile.add(found.limit);
    this.#log.warn(
      `A new browser session has reached ${found.use} already: ${found.limit} is too small and is ignored`,
    );
  }

  /** Returns why the session must be renewed now, such as `renewed after 200 pages`, and logs it; undefined if it need not. */
  reasonFor(supervisor: SessionSupervisor): string | undefined {
    const found = this.#find(supervisor);
    if (found === undefined) return undefined;
    const reason = `renewed after ${found.use}`;
    this.#log.info(`The browser session of "${supervisor.owner}" is ${reason}`);
    return reason;
  }

  #find(supervisor: SessionSupervisor): { readonly limit: keyof RetirementLimits; readonly use: string } | undefined {
    const use = this.#uses.get(supervisor);
    if (use === undefined || supervisor.state !== 'alive') return undefined;
    const { maxPages, maxSessionAgeMs } = this.#limits;
    const ageMs = performance.now() - use.startedAt;
    if (this.#isReached('maxPages', use.pages, maxPages)) return { limit: 'maxPages', use: count(use.pages, 'page') };
    if (this.#isReached('maxSessionAgeMs', ageMs, maxSessionAgeMs))
      return { limit: 'maxSessionAgeMs', use: describeSpan(ageMs) };
    use.memoryLimitMb ??= this.#memoryLimitOf(supervisor);
    if (use.memoryLimitMb === 0) return undefined;
    const memoryMb = this.#readMemory(supervisor, use);
    if (!this.#isReached('maxSessionMemoryMb', memoryMb, use.memoryLimitMb)) return undefined;
    return { limit: 'maxSessionMemoryMb', use: `${Math.round(memoryMb)} MB of memory` };
  }

  #isReached(name: keyof RetirementLimits, value: number, limit: number): boolean {
    return limit > 0 && value >= limit && !this.#futile.has(name);
  }

  #readMemory({ pids }: SessionSupervisor, use: SessionUse): number {
    const now = performance.now();
    if (pids.driver !== undefined && now - use.memoryReadAt >= MEMORY_INTERVAL_MS) {
      use.memoryReadAt = now;
      use.memoryMb = (readTreeMemory(pids.driver)?.totalBytes ?? 0) / BYTES_PER_MB;
    }
    return use.memoryMb;
  }

  #memoryLimitOf({ pids }: SessionSupervisor): number {
    const { maxSessionMemoryMb } = this.#limits;
    if (maxSessionMemoryMb !== undefined || pids.driver === undefined) return maxSessionMemoryMb ?? 0;
    return ((readMemoryLimit(pids.driver) ?? 0) * DEFAULT_MEMORY_SHARE) / BYTES_PER_MB;
  }
}

function makeUse(): SessionUse {
  return { pages: 0, startedAt: performance.now(), memoryMb: 0, memoryLimitMb: undefined, memoryReadAt: -Infinity };
}
