import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The body of each page. Before any other script, it copies the contents of its storage at load time into an attribute. */
const BODY = `
  <script>document.documentElement.dataset.seen = JSON.stringify([{ ...localStorage }, { ...sessionStorage }]);</script>
  <form method="post" action="/answer"><button id="post">post</button></form>
  <button id="more" onclick="document.body.append('more')">more</button><input id="text">
  <iframe src="/inside" title="inside"></iframe>`;

/** A site with a login, for tests of the state that is restored into the next session. */
export interface StateSite extends AsyncDisposable {
  readonly url: string;
  /** The same site under another host name: another origin with its own cookies. */
  readonly otherUrl: string;
  /** The requests of pages with their cookies, sorted: `GET /page id=secret`. Frames are left out. */
  readonly visits: readonly string[];
}

/** Opens the site. `/login` sets the cookies `id`, which is HttpOnly, and `theme`. All pages look alike; their title is their path. */
export async function openStateSite(): Promise<StateSite> {
  const visits: string[] = [];
  const server = createServer(({ method, url = '', headers }, response) => {
    if (url === '/favicon.ico') {
      response.writeHead(404).end();
      return;
    }
    if (url === '/inside') {
      response.setHeader('content-type', 'text/html').end('<!doctype html><p id="within">inside');
      return;
    }
    const cookies = headers.cookie?.split('; ').sort().join('; ') ?? '';
    visits.push(`${method} ${url} ${cookies}`.trim());
    if (url === '/login')
      response.setHeader('set-cookie', ['id=secret; HttpOnly; Path=/', 'theme=dark; Max-Age=600; SameSite=Lax']);
    response.setHeader('content-type', 'text/html').end(`<!doctype html><title>${url}</title>${BODY}`);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    otherUrl: `http://localhost:${port}`,
    visits,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
