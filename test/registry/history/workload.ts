/** The run for which all processes compete, and the site that it calls. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { defineAction, z, type Action } from 'webdriver-supervisor';

import { makeRandom } from '../../../scripts/demo-shop/random.ts';
import { OWNER } from './history.ts';

const PAGES = ['page-1', 'page-2', 'page-3'];
const ITEMS = Array.from({ length: 8 }, (_unused, index) => `item-${index + 1}`);
const ITEMS_AT_A_TIME = 3;
const MAX_ANSWER_DELAY_MS = 30;
/** The header with the name of the process in each call. */
const PROCESS_HEADER = 'x-process';

export interface WorkloadOptions {
  /** The name of the process that executes the action. */
  readonly name: string;
  readonly onConfirmed: (step: string) => void;
}

/** The action of the run. The value of each step is the process that did its work; its record is the same for every process. */
export function makeAction({ name, onConfirmed }: WorkloadOptions): Action {
  return defineAction({
    name: 'history',
    description: 'Pages, then items.',
    params: z.object({ site: z.string() }),
    owner: () => OWNER,
    async run({ driver, api, params, step, batch }) {
      const headers = { [PROCESS_HEADER]: name };
      for (const key of PAGES) {
        let isWorker = false;
        await step(key, async ({ save }) => {
          isWorker = true;
          await driver.get(`${params.site}/${key}`);
          save(await api.json<object>(`${params.site}/${key}`, { headers }), { key });
          return { by: process.pid };
        });
        if (isWorker) onConfirmed(key);
      }
      const workers = new Set<string>();
      const { results } = await batch(
        'items',
        ITEMS,
        async (key, { save, signal }) => {
          workers.add(key);
          // Without DevTools `api` reads cookies by commands, which are refused for items that share a window. So these calls do not use
          // `api`, and are not recorded as calls of the API.
          const response = await fetch(`${params.site}/${key}`, { signal });
          save((await response.json()) as object, { key });
          return { by: process.pid };
        },
        { key: (item) => item, concurrency: ITEMS_AT_A_TIME },
      );
      for (const { key, status } of results) if (status === 'done' && workers.has(key)) onConfirmed(key);
    },
  });
}

/** Returns the lines of the file of an undisturbed run. */
export function expectedLines(): string[] {
  return [...PAGES, ...ITEMS].map((key) => JSON.stringify(answerTo(key)));
}

function answerTo(key: string): object {
  return { key, length: key.length };
}

export interface Site extends AsyncDisposable {
  readonly url: string;
}

/** Opens the site. It answers each call after a delay that is derived from the seed. A call that names a process is one of the API. */
export async function openSite(seed: number, onCall: (step: string, by: string | undefined) => void): Promise<Site> {
  const random = makeRandom(seed);
  const server = createServer((request, response) => {
    const key = request.url?.slice(1) ?? '';
    onCall(key, request.headers[PROCESS_HEADER]?.toString());
    setTimeout(
      () => response.setHeader('content-type', 'application/json').end(JSON.stringify(answerTo(key))),
      random() * MAX_ANSWER_DELAY_MS,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
