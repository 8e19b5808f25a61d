/** Describes the process whose end is the death. */
import { constants } from 'node:os';

import type { Facts, ProcessEnd } from './facts.ts';

/** Signals of a program's own fault: an illegal access or instruction, or a check of the program that failed. */
const CRASH_SIGNALS = new Set(['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGSYS']);

/** The process whose end is the death. */
export interface Victim {
  readonly name: 'browser' | 'driver' | 'tab';
  /** Undefined if the end is not known. */
  readonly end: ProcessEnd | undefined;
}

/** Returns the process whose end is the death; undefined if the death is not the end of a process. */
export function findVictim({ report, browser, tab }: Facts): Victim | undefined {
  if (report.cause === 'browser-gone') return { name: 'browser', end: browser };
  // The driver removes the session of a browser that crashed. It kills a browser only by SIGKILL, when it quits the session.
  if (report.cause === 'session-removed' && isCrash(browser)) return { name: 'browser', end: browser };
  if (report.cause === 'driver-gone') return { name: 'driver', end: endOfDriver(report.message) };
  if (report.cause !== 'tab-crashed') return undefined;
  return { name: 'tab', end: tab && endOfTab(tab) };
}

/** Returns the name of the signal that ended a process, such as `SIGKILL`; undefined if no signal ended it. */
export function signalOf(end: ProcessEnd | undefined): string | undefined {
  if (end?.kind !== 'signal') return undefined;
  const entry = Object.entries(constants.signals).find(([, number]) => number === end.signal);
  return entry?.[0] ?? `signal ${end.signal}`;
}

/** Returns whether a process ended by its own fault. */
export function isCrash(end: ProcessEnd | undefined): boolean {
  return CRASH_SIGNALS.has(signalOf(end) ?? '') || (end?.kind === 'code' && end.code !== 0);
}

/** `by SIGSEGV`, `with exit code 3`. */
export function describeEnd(end: ProcessEnd): string {
  if (end.kind === 'code') return `with exit code ${end.code}`;
  return `by ${signalOf(end) ?? 'itself'}`;
}

/** The driver is this program's child, so Node.js reports its end (see driver-process.ts). */
function endOfDriver(message: string): ProcessEnd | undefined {
  const [, name, code] = /ended by (SIG\w+)|exited with code (\d+)/.exec(message) ?? [];
  if (code !== undefined) return { kind: 'code', code: Number(code) };
  const signal = constants.signals[name as NodeJS.Signals] as number | undefined;
  return signal === undefined ? undefined : { kind: 'signal', signal };
}

/** Chromium reports the signal as the error code with `crashed` and `killed`, and otherwise an exit code (measured on 156). */
function endOfTab({ status, errorCode }: NonNullable<Facts['tab']>): ProcessEnd | undefined {
  if (status === 'crashed' || status === 'killed' || status === 'oom') return { kind: 'signal', signal: errorCode };
  return { kind: 'code', code: errorCode };
}
