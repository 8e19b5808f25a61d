import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** The COMMIT statement with the zero byte that ends it in PostgreSQL's protocol. Without that byte, a column's name would match too. */
const COMMIT = /\bcommit\0/i;

/** A proxy in front of PostgreSQL that can lose a COMMIT, or the answer to it. */
export interface CommitCutter extends AsyncDisposable {
  readonly port: number;
  readonly cuts: number;
  /**
   * Cuts the connection of the next COMMIT. With `before`, the server never gets the COMMIT; with `after`, the client never gets the
   * answer. Calls `onCut` as soon as the cut is certain.
   */
  cutNextCommit(when?: 'after' | 'before', onCut?: () => void): void;
}

export async function openCommitCutter(target: number): Promise<CommitCutter> {
  const sockets = new Set<Socket>();
  let armed: { readonly when: 'after' | 'before'; readonly onCut: () => void } | undefined;
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    let isCutting = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    client.on('data', (data) => {
      if (armed !== undefined && COMMIT.test(data.toString('latin1'))) {
        const { when, onCut } = armed;
        armed = undefined;
        isCutting = true;
        cuts += 1;
        onCut();
        if (when === 'before') return void client.destroy();
      }
      return void upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (!isCutting) return client.write(data);
      client.destroy();
      return upstream.destroy();
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get cuts() {
      return cuts;
    },
    cutNextCommit: (when = 'after', onCut = () => undefined) => void (armed = { when, onCut }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
