/**
 * The stream of events and of progress. `EventSource` reconnects by itself after a broken connection, but not after an answer such as
 * 503: then a new one is opened, later and later. Events may come twice (on reconnecting); their id tells.
 */

const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 30_000;
const PATH = '/events?last=50';

/**
 * @param {object} handlers
 * @param {(event: object, id: string) => void} handlers.onEvent
 * @param {(runs: object[]) => void} handlers.onProgress all runs that are being worked on
 * @param {(state: 'live' | 'reconnecting') => void} handlers.onState
 * @param {() => boolean} handlers.mayRetry false while an attempt would be in vain
 */
export function openLive({ onEvent, onProgress, onState, mayRetry }) {
  let source;
  let retryMs = FIRST_RETRY_MS;

  function open() {
    source = new EventSource(PATH);
    source.addEventListener('open', () => {
      retryMs = FIRST_RETRY_MS;
      onState('live');
    });
    source.addEventListener('message', ({ data, lastEventId }) => onEvent(JSON.parse(data), lastEventId));
    source.addEventListener('progress', ({ data }) => onProgress(JSON.parse(data).runs));
    source.addEventListener('error', () => {
      onState('reconnecting');
      if (source.readyState === EventSource.CLOSED) setTimeout(retry, retryMs);
    });
  }

  function retry() {
    if (!mayRetry()) {
      setTimeout(retry, FIRST_RETRY_MS);
      return;
    }
    retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    open();
  }

  open();
}
