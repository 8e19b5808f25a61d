import { constants } from 'node:os';

import { expect } from 'chai';

import { NO_DIAGNOSIS, type DeathCause, type DeathReason } from '../../../../src/model/death.ts';
import type { Facts, ProcessEnd } from '../../../../src/driver/diagnosis/facts.ts';
import { findReason } from '../../../../src/driver/diagnosis/reasons.ts';

export const MB = 2 ** 20;

/** A deep change of facts. */
type Change = {
  readonly [Name in keyof Facts]?: Facts[Name] extends object ? Partial<Facts[Name]> | undefined : Facts[Name];
};

/** Returns the facts of a session on an idle machine with enough of everything, except for those of `change`. */
export function makeFacts({ report, memory, load, ...change }: Change = {}): Facts {
  const GB = 1024 * MB;
  return {
    report: {
      cause: 'browser-gone',
      detectedBy: 'devtools',
      message: 'the DevTools socket closed (code 1006)',
      ...report,
    },
    isOwn: true,
    browser: undefined,
    driver: { kind: 'running' },
    tab: undefined,
    memory: {
      oomKills: 0,
      machineOomKills: 0,
      cgroup: undefined,
      cgroupPeakBytes: undefined,
      browserBytes: 300 * MB,
      largestBytes: 100 * MB,
      machine: { used: 2 * GB, limit: 16 * GB },
      processLimit: undefined,
      ...memory,
    },
    sharedMemory: { folder: '/dev/shm', freeBytes: GB, totalBytes: GB, freeFiles: 1_000 },
    temporaryFolder: { folder: '/tmp/wds-1', freeBytes: 20 * GB, totalBytes: 100 * GB, freeFiles: 1_000_000 },
    descriptors: { used: 160, limit: 1_024 },
    processes: undefined,
    refusedProcesses: undefined,
    load: { cpu: 5, memory: 0, io: 1, perProcessor: 0.4, ownEventLoop: 0.1, ...load },
    sleptMs: 0,
    output: '',
    mismatch: undefined,
    deathsAtPage: 0,
    url: 'http://shop/1',
    ...(change as Partial<Facts>),
  };
}

export interface Case {
  readonly what: string;
  readonly facts: Change;
  /** `reason confidence`. */
  readonly is: `${DeathReason} ${'certain' | 'likely' | 'none'}`;
  /** The first phrase of the evidence. */
  readonly evidence?: RegExp;
  readonly advice?: RegExp;
}

/** Adds a test for each case. */
export function itFinds(cases: readonly Case[]): void {
  for (const { what, facts, is, evidence, advice } of cases)
    it(`is ${is.replace(' none', '').replace(' ', ', ')}, for ${what}`, () => {
      const diagnosis = findReason(makeFacts(facts));
      expect(`${diagnosis.reason} ${diagnosis.confidence}`, diagnosis.evidence.join('; ')).to.equal(is);
      if (is === 'unknown none') return void expect(diagnosis).to.deep.equal(NO_DIAGNOSIS);
      expect(diagnosis.evidence[0]).to.match(evidence ?? /./);
      expect(diagnosis.advice)
        .to.match(advice ?? /./)
        .and.to.match(/[^.]\.$/);
    });
}

export const ended = (signal: NodeJS.Signals): ProcessEnd => ({ kind: 'signal', signal: constants.signals[signal] });
export const died = (cause: DeathCause, message = ''): Pick<Facts, 'report'> => ({
  report: { cause, detectedBy: 'heartbeat', message },
});
export const crashedTab = (status: string, errorCode: number) => ({
  ...died('tab-crashed'),
  tab: { status, errorCode },
});
/** The space of a folder that is full. */
export const FULL = { folder: '/tmp/wds-1', freeBytes: 4_096, totalBytes: 500 * MB, freeFiles: 100 };
