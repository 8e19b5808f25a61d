/** Chooses the moments of the faults of a trial from a seed. */
import { pickFrom, shuffle, type Random } from '../../../scripts/demo-shop/random.ts';
import { PHASES } from '../../fixtures/natural/site/natural-site.ts';
import { NATURAL_FAULTS, type Moment, type Observation, type Strike } from './trial.ts';

/** The share of moments that are times. The others are requests, which are the same on every machine. */
const TIMED_SHARE = 0.2;

/** Returns the moments of a run that is disturbed `count` times: one in each of `count` parts of an undisturbed run, in order. */
export function pickMoments(random: Random, undisturbed: Observation, count: number): Moment[] {
  let last = 0;
  return spreadMoments(random, undisturbed, count).map((moment) => {
    if (!('request' in moment)) return moment;
    // A request is interrupted once. Work that is done again sends new requests.
    last = Math.max(last + 1, moment.request);
    return { ...moment, request: last };
  });
}

function spreadMoments(random: Random, { requestCount, spanMs }: Observation, count: number): Moment[] {
  return Array.from({ length: count }, (_unused, index) => {
    const fraction = (index + random()) / count;
    const phase = pickFrom(random, PHASES);
    if (random() < TIMED_SHARE) return { afterMs: Math.round(fraction * spanMs) };
    return { request: 1 + Math.floor(fraction * requestCount), phase };
  });
}

/** Returns one fault for each trial: each kind `count` times, all of them spread over the run. */
export function pickStrikes(random: Random, undisturbed: Observation, count: number): Strike[] {
  const moments = spreadMoments(random, undisturbed, NATURAL_FAULTS.length * count);
  const faults = shuffle(
    random,
    NATURAL_FAULTS.flatMap((fault) => Array.from({ length: count }, () => fault)),
  );
  return moments.flatMap((moment, index) => {
    const fault = faults[index];
    return fault === undefined ? [] : [{ fault, moment, pick: random() }];
  });
}

export function describeMoment(moment: Moment): string {
  return 'request' in moment ? `request ${moment.request} ${moment.phase}` : `${moment.afterMs} ms`;
}
