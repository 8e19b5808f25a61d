/**
 * Limits the sessions of a run to those that fit on this machine. With too little memory the kernel kills browsers, and with too few
 * processors they don't answer in time: fewer sessions are then faster. Sessions at an endpoint are not limited, because they run elsewhere.
 */
import { availableParallelism } from 'node:os';

import { count } from '../../core/describe-number.ts';
import type { Log } from '../../core/log.ts';
import { readFreeMemory } from '../../supervisor/supervisor.ts';

/** The memory that one headless browser with its driver takes on a page of medium size. */
const SESSION_BYTES = 250_000_000;
const BYTES_PER_MB = 1_000_000;
/** The part of the free memory that sessions may take. */
const MEMORY_SHARE = 0.8;
/** Most sessions wait for the network at a given time. */
const SESSIONS_PER_PROCESSOR = 8;

export interface MachineFacts {
  /** Undefined if this system does not show it. */
  readonly freeBytes: number | undefined;
  /** The processors that this program can use, within the limits of its control groups. */
  readonly processors: number;
}

export interface SessionLimitOptions {
  readonly isLimited: boolean;
  readonly log: Log;
  /** @default the facts of this machine, which count the limits of a container */
  readonly readFacts?: () => MachineFacts;
}

export class SessionLimit {
  readonly #options: SessionLimitOptions;
  #wasLogged = false;

  constructor(options: SessionLimitOptions) {
    this.#options = options;
  }

  /** Returns how many of the `wanted` sessions fit, with those that are `running` already. The first time that it is fewer, it logs why. */
  fit(wanted: number, running: number): number {
    const { isLimited, readFacts = readMachineFacts, log } = this.#options;
    if (!isLimited || wanted <= running) return wanted;
    const { freeBytes, processors } = readFacts();
    const byMemory =
      freeBytes === undefined ? Infinity : running + Math.floor((freeBytes * MEMORY_SHARE) / SESSION_BYTES);
    const byProcessors = processors * SESSIONS_PER_PROCESSOR;
    const fitting = Math.max(1, running, Math.min(wanted, byMemory, byProcessors));
    if (fitting === wanted || this.#wasLogged) return fitting;
    this.#wasLogged = true;
    const reason =
      freeBytes !== undefined && byMemory < byProcessors
        ? `${toMb(freeBytes)} MB of memory are free, and a session needs about ${toMb(SESSION_BYTES)} MB`
        : `${count(processors, 'processor')} can run about ${byProcessors} sessions`;
    log.warn(
      `This run uses ${count(fitting, 'session')} instead of ${wanted}: ${reason}. LIMIT_SESSIONS=false starts all ${wanted}.`,
    );
    return fitting;
  }
}

function readMachineFacts(): MachineFacts {
  return { freeBytes: readFreeMemory(), processors: availableParallelism() };
}

function toMb(bytes: number): number {
  return Math.round(bytes / BYTES_PER_MB);
}
