/** Seeded moments for the faults of a trial. */
import { pickFrom, type Random } from '../../../scripts/demo-shop/random.ts';
import { PHASES } from '../../fixtures/natural/site/natural-site.ts';
import type { Moment, Observation } from './trial.ts';

/** One moment in so many is a time; the others are requests, which are the same on every machine. */
const TIMED_EVERY = 5;

/** Moments spread over an undisturbed run: one in each of `count` parts of it, in order. */
export function pickMoments(random: Random, undisturbed: Observation, count: number): Moment[] {
  const { requestCount, spanMs } = undisturbed;
  let last = 0;
  return Array.from({ length: count }, (_unused, index) => {
    const fraction = (index + random()) / count;
    const phase = pickFrom(random, PHASES);
    if (index % TIMED_EVERY === TIMED_EVERY - 1) return { afterMs: Math.round(fraction * spanMs) };
    // A request is interrupted once; work that is done again comes with requests of its own.
    last = Math.max(last + 1, 1 + Math.floor(fraction * requestCount));
    return { request: last, phase };
  });
}

export function describeMoment(moment: Moment): string {
  return 'request' in moment ? `request ${moment.request} ${moment.phase}` : `${moment.afterMs} ms`;
}
