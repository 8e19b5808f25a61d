/**
 * Reads the stream of events and progress. It uses `fetch`, because `EventSource` can't send the token. When the stream ends, it is opened
 * again after the last event, with growing pauses while that fails. After a reconnection an event may arrive again, with the same id.
 */
import { openStream } from './api.js';

/** @import { Event, Run } from './api.js' */

const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 30_000;
/** The time after which a silent stream is opened again. The monitor sends a heartbeat every 15 s. */
const SILENCE_LIMIT_MS = 45_000;
const PATH = '/events?last=50';

/**
 * @param {object} handlers
 * @param {(event: Event, id: string) => void} handlers.onEvent
 * @param {(runs: Run[]) => void} handlers.onProgress gets all runs in progress
 * @param {(state: 'live' | 'reconnecting') => void} handlers.onState
 * @param {() => boolean} handlers.mayRetry returns false while an attempt would fail
 */
export function openLive({ onEvent, onProgress, onState, mayRetry }) {
  let retryMs = FIRST_RETRY_MS;
  let lastEventId = '';

  /** @param {string} block */
  function take(block) {
    const fields = new Map(block.split('\n').map((line) => [line.split(': ', 1)[0], line.replace(/^\w*: /, '')]));
    const text = fields.get('data');
    // A heartbeat has no data.
    if (text === undefined) return;
    const data = JSON.parse(text);
    const id = fields.get('id');
    lastEventId = id ?? lastEventId;
    if (fields.get('event') === 'progress') onProgress(data.runs);
    else onEvent(data, id ?? '');
  }

  async function follow() {
    for (;;) {
      try {
        for await (const block of readBlocks()) handle(block);
      } catch {
        // After every kind of failure the stream is opened again. `/health` reports the reason.
      }
      onState('reconnecting');
      do await new Promise((resolve) => setTimeout(resolve, retryMs));
      while (!mayRetry());
      retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    }
  }

  /**
   * Handles a block of the stream. An error of a listener does not end the stream.
   * @param {string} block
   */
  function handle(block) {
    try {
      take(block);
    } catch (error) {
      reportError(error);
    }
  }

  async function* readBlocks() {
    const cut = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const expectMore = () => {
      clearTimeout(timer);
      timer = setTimeout(() => cut.abort(), SILENCE_LIMIT_MS);
    };
    try {
      expectMore();
      const body = await openStream(PATH, { lastEventId, signal: cut.signal });
      retryMs = FIRST_RETRY_MS;
      onState('live');
      let rest = '';
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        expectMore();
        const blocks = (rest + part.value).split('\n\n');
        rest = blocks.pop() ?? '';
        yield* blocks;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  void follow();
}
