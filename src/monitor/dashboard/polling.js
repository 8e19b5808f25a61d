/**
 * What the stream doesn't carry is asked for now and then. Laws: one request per resource at a time; none while the tab is hidden, or
 * while `mayAsk` says that it is in vain; however many events ask for a refresh, at most one request per `minGapMs`.
 */
import { getJson } from './api.js';
import { isSigningIn } from './sign-in.js';

const SETTLE_MS = 400;
const MIN_GAP_MS = 3_000;

/**
 * @param {object} options
 * @param {() => string} options.path asked for anew each time
 * @param {(data: object) => void} options.onData
 * @param {(error: Error) => void} options.onError
 */
export function makePolled({ path, everyMs, accepts, minGapMs = MIN_GAP_MS, mayAsk = () => true, onData, onError }) {
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
      onError(error);
    } finally {
      isAsking = false;
      schedule(isAskedAgain ? SETTLE_MS : everyMs);
    }
  }

  function schedule(delayMs) {
    clearTimeout(timer);
    dueAt = performance.now() + delayMs;
    timer = setTimeout(() => void ask(), delayMs);
  }

  return {
    /** Now, whatever was planned. */
    askNow: () => void ask(),
    /** Soon: many calls in a row are one request. */
    askSoon() {
      if (isAsking) isAskedAgain = true;
      const delayMs = Math.max(SETTLE_MS, askedAt + minGapMs - performance.now());
      // Never later than planned, or a steady flow of events would put it off for ever.
      if (!isAsking && performance.now() + delayMs < dueAt) schedule(delayMs);
    },
  };
}
