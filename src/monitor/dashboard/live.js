/**
 * The stream of events and of progress. It is read by `fetch`, since `EventSource` can't send the token. After any end a new one is opened,
 * later and later while it fails, and goes on after the last event. Events may come twice (on reconnecting); their id tells.
 */
import { openStream } from './api.js';

const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 30_000;
/** The monitor sends something every 15 s. */
const SILENCE_LIMIT_MS = 45_000;
const PATH = '/events?last=50';

/**
 * @param {object} handlers
 * @param {(event: object, id: string) => void} handlers.onEvent
 * @param {(runs: object[]) => void} handlers.onProgress all runs that are being worked on
 * @param {(state: 'live' | 'reconnecting') => void} handlers.onState
 * @param {() => boolean} handlers.mayRetry false while an attempt would be in vain
 */
export function openLive({ onEvent, onProgress, onState, mayRetry }) {
  let retryMs = FIRST_RETRY_MS;
  let lastEventId = '';

  function take(block) {
    const fields = Object.fromEntries(
      block.split('\n').map((line) => [line.split(': ', 1)[0], line.replace(/^\w*: /, '')]),
    );
    // A heartbeat has no data.
    if (fields.data === undefined) return;
    const data = JSON.parse(fields.data);
    lastEventId = fields.id ?? lastEventId;
    if (fields.event === 'progress') onProgress(data.runs);
    else onEvent(data, fields.id ?? '');
  }

  async function follow() {
    for (;;) {
      try {
        for await (const block of readBlocks()) handle(block);
      } catch {
        // Every reason is the same to this page: the stream is opened again, and `/health` says what is wrong.
      }
      onState('reconnecting');
      do await new Promise((resolve) => setTimeout(resolve, retryMs));
      while (!mayRetry());
      retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    }
  }

  /** An error of a view must not end the stream. */
  function handle(block) {
    try {
      take(block);
    } catch (error) {
      reportError(error);
    }
  }

  async function* readBlocks() {
    const cut = new AbortController();
    let timer;
    const expectMore = () => {
      clearTimeout(timer);
      timer = setTimeout(() => cut.abort(), SILENCE_LIMIT_MS);
    };
    try {
      expectMore();
      const { body } = await openStream(PATH, { lastEventId, signal: cut.signal });
      retryMs = FIRST_RETRY_MS;
      onState('live');
      let rest = '';
      const decoder = new TextDecoder();
      const reader = body.getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        expectMore();
        const blocks = (rest + decoder.decode(part.value, { stream: true })).split('\n\n');
        rest = blocks.pop();
        yield* blocks;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  void follow();
}
