/**
 * Requests at intervals the answers that the stream does not contain. Invariants: a resource has at most one request at a time, and no
 * request while the tab is hidden or `mayAsk` returns false. Refreshes that events cause are at least `minGapMs` apart.
 */
import { ApiError, getJson } from './api.js';
import { isSigningIn } from './sign-in.js';

const SETTLE_MS = 400;
const MIN_GAP_MS = 3_000;

/**
 * @template Data
 * @typedef {object} PollOptions
 * @property {() => string} path called before each request
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
    /** Requests a refresh. Several calls within a short time cause one request. */
    askSoon() {
      if (isAsking) isAskedAgain = true;
      const delayMs = Math.max(SETTLE_MS, askedAt + minGapMs - performance.now());
      // A call never delays a planned request. Otherwise frequent events would delay it for ever.
      if (!isAsking && performance.now() + delayMs < dueAt) schedule(delayMs);
    },
  };
}
