import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Path -> HTML, or a status with HTML; everything else is a 404. */
export type Pages = Readonly<Record<string, string | { readonly status: number; readonly html: string }>>;

export interface SiteRequest {
  readonly method: string;
  readonly path: string;
  readonly atMs: number;
}

export interface Site extends AsyncDisposable {
  /** Ends without a slash. */
  readonly url: string;
  /** The requests in the order of their arrival; `atMs` is a time of `performance.now()`. */
  readonly requests: readonly SiteRequest[];
}

/** A handful of pages on 127.0.0.1. `$SITE` in a page stands for the site's address. */
export async function openSite(pages: Pages): Promise<Site> {
  const requests: SiteRequest[] = [];
  let url = '';
  const server = createServer(({ method = '', url: target = '' }, response) => {
    requests.push({ method, path: target, atMs: performance.now() });
    const page = pages[target] ?? { status: 404, html: '<title>Not here</title>' };
    const { status, html } = typeof page === 'string' ? { status: 200, html: page } : page;
    response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' });
    response.end(html.replaceAll('$SITE', url));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  return {
    url,
    requests,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

export async function makeTemporaryFolder(): Promise<TemporaryFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), 'action-'));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** Returns the records of a dataset's file; none if there is no file. */
export async function readRecords<Row>(file: string | undefined): Promise<Row[]> {
  if (file === undefined) return [];
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Row);
}

/** Looks at a counter, which has no event, on every turn of the event loop; acts once it is far enough. */
export async function whenReached(isReached: () => boolean, act: () => void): Promise<void> {
  while (!isReached()) await nextTurn();
  act();
}
