import type { Recording } from '../../../src/model/recording.ts';
import { makeDeath } from '../../support/make-death.ts';

const END_MS = Date.parse('2026-11-20T18:15:30.123Z');

/** Returns the time so many seconds before the end of the recording. */
export function before(seconds: number): string {
  return new Date(END_MS - seconds * 1_000).toISOString();
}

/** Returns the recording of an ordinary death without events, except for those of `change`. */
export function makeRecording(change: Partial<Recording> = {}): Recording {
  return {
    version: 1,
    at: before(0),
    seconds: 20,
    death: makeDeath({ at: before(0) }),
    failure: null,
    epoch: 1,
    browser: 'chrome 156.0.7204.92',
    commands: [],
    navigations: [],
    console: [],
    failedRequests: [],
    samples: [],
    pictures: [],
    ...change,
  };
}
