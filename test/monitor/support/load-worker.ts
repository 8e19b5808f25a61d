/** The clients of a load test. They run in their own thread, so that they don't delay the monitor that they measure. */
import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

export interface LoadOrder {
  readonly url: string;
  /** The lists. One client reads each to its end, page by page. */
  readonly lists: readonly string[];
}

export interface LoadReport {
  /** The response times of `/livez` while the lists were read, in milliseconds. */
  readonly livezMs: readonly number[];
  readonly bytes: number;
  readonly pages: number;
  readonly seconds: number;
}

const PROBE_INTERVAL_MS = 20;
const MIN_PROBES = 25;

const { url, lists } = workerData as LoadOrder;
let bytes = 0;
let pages = 0;

async function get(path: string, agent?: Agent): Promise<{ readonly tail: string; readonly length: number }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url + path, { agent: agent ?? false }, (response) => {
      let length = 0;
      let tail = '';
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        tail = (tail + chunk.subarray(-500).toString('utf8')).slice(-500);
      });
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode === 200
          ? resolve({ tail, length })
          : reject(new Error(`${path} was answered with ${response.statusCode}: ${tail}`)),
      );
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function readList(list: string): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  for (let after: string | undefined = ''; after !== undefined;) {
    const { tail, length } = await get(`${list}?limit=1000${after}`, agent);
    bytes += length;
    pages += 1;
    const [, next] = /"next":("(?:[^"\\]|\\.)*")\}$/.exec(tail) ?? [];
    after = next && `&after=${encodeURIComponent(JSON.parse(next) as string)}`;
  }
  agent.destroy();
}

const begun = performance.now();
const livezMs: number[] = [];
const state = { isReading: true };
const reading = Promise.all(lists.map(readList)).finally(() => (state.isReading = false));
do {
  const asked = performance.now();
  await get('/livez');
  livezMs.push(performance.now() - asked);
  await wait(PROBE_INTERVAL_MS);
} while (state.isReading || livezMs.length < MIN_PROBES);
await reading;
const report: LoadReport = { livezMs, bytes, pages, seconds: (performance.now() - begun) / 1_000 };
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- to a thread, not to a window
parentPort?.postMessage(report);
