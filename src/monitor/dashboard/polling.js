/**
 * Asks at intervals for facts that the stream doesn't carry. Invariants: one request per resource at a time; none while the tab is hidden, or
 * while `mayAsk` says that it is in vain; however many events ask for a refresh, at most one request per `minGapMs`.
 */
import { ApiError, getJson } from './api.js';
import { isSigningIn } from './sign-in.js';

const SETTLE_MS = 400;
const MIN_GAP_MS = 3_000;

/**
 * @template Data
 * @typedef {object} PollOptions
 * @property {() => string} path asked for anew each time
 * @property {number} everyMs
 * @property {readonly number[]} [accepts] as in `getJson`
 * @property {number} [minGapMs]
 * @property {() => boolean} [mayAsk]
 * @property {(data: Data) => void} onData
 * @property {(error: ApiError) => void} onError
 */

/**
 * @template Data
 * @param {PollOptions<Data>} options
 */
export function poll({ path, everyMs, accepts = [], minGapMs = MIN_GAP_MS, mayAsk = () => true, onData, onError }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let dueAt = Infinity;
  let isAsking = false;
  let isAskedAgain = false;
  let askedAt = -Infinity;

  async function ask() {
    clearTimeout(timer);
    dueAt = Infinity;
    if (document.hidden || isSigningIn() || !mayAsk()) return;
    if (isAsking) {
      isAskedAgain = true;
      return;
    }
    isAsking = true;
    isAskedAgain = false;
    askedAt = performance.now();
    const asked = path();
    try {
      const data = await getJson(asked, { accepts });
      if (asked === path()) onData(data);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (asked === path()) onError(error);
    } finally {
      isAsking = false;
      schedule(isAskedAgain ? SETTLE_MS : everyMs);
    }
  }

  /** @param {number} delayMs */
  function schedule(delayMs) {
    clearTimeout(timer);
    dueAt = performance.now() + delayMs;
    timer = setTimeout(() => void ask(), delayMs);
  }

  return {
    askNow: () => void ask(),
    /** Many calls in a row are one request. */
    askSoon() {
      if (isAsking) isAskedAgain = true;
      const delayMs = Math.max(SETTLE_MS, askedAt + minGapMs - performance.now());
      // Never later than planned, or a steady flow of events would put it off for ever.
      if (!isAsking && performance.now() + delayMs < dueAt) schedule(delayMs);
    },
  };
}
