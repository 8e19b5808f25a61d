import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { expect } from 'chai';

import { TestPostgres } from '../support/postgres.ts';
import { keptBy, numbers, openRun } from '../support/opened-run.ts';

const STEPS = 200;
/** The statement, as it ends in PostgreSQL's protocol; a column's name has the word too. */
const COMMIT = /\bcommit\0/i;

describe('A registry in PostgreSQL, whose server', () => {
  it('is restarted while a run works: everything is kept once, and nobody is told of it', async () => {
    await using postgres = await TestPostgres.start();
    await using run = await openRun(await postgres.createDatabase());
    for (let order = 0; order < STEPS; order += 1) {
      const ending = run.endStep(order);
      if (order % 60 === 30) {
        await postgres.stop();
        await postgres.start();
      }
      await ending;
    }
    expect(await keptBy(run)).to.deep.equal({ steps: numbers(STEPS), records: numbers(STEPS) });
    expect(run.failures).to.deep.equal([]);
  }).timeout(60_000);

  it('loses the answer to a commit: it is not done twice', async () => {
    await using postgres = await TestPostgres.start();
    const url = new URL(await postgres.createDatabase());
    await using proxy = await openProxy(postgres.port);
    url.port = String(proxy.port);
    await using run = await openRun(url.href);
    const { registry, store } = run;
    await run.endStep(0);
    const { commitNumber } = (await registry.runs.get('run'))!;
    proxy.cutNextCommit();
    await run.endStep(1);
    expect(proxy.cuts).to.equal(1);
    expect(await registry.runs.get('run')).to.include({ commitNumber: commitNumber + 1, records: 2 });
    expect(store.recordCount).to.equal(2);
    for (let order = 2; order < STEPS; order += 1) await run.endStep(order);
    expect(await keptBy(run)).to.deep.equal({ steps: numbers(STEPS), records: numbers(STEPS) });
    proxy.cutNextCommit();
    await store.finish({ status: 'completed', error: null, outputs: {} });
    expect(proxy.cuts).to.equal(2);
    expect(await registry.runs.get('run')).to.include({ status: 'completed', token: null, records: STEPS });
    expect(run.failures).to.deep.equal([]);
  }).timeout(60_000);
});

interface CommitCutter extends AsyncDisposable {
  readonly port: number;
  readonly cuts: number;
  /** The server gets the next COMMIT, and its client never learns of the answer. */
  cutNextCommit(): void;
}

async function openProxy(target: number): Promise<CommitCutter> {
  const sockets = new Set<Socket>();
  let isArmed = false;
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    let isCutting = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    client.on('data', (data) => {
      if (isArmed && COMMIT.test(data.toString('latin1'))) {
        isArmed = false;
        isCutting = true;
        cuts += 1;
      }
      upstream.write(data);
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
    cutNextCommit: () => void (isArmed = true),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
