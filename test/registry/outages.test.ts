import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { expect } from 'chai';
import { freeze, unfreeze } from 'webdriver-supervisor/testing';

import { openRegistry, RegistryError, type Registry, type RunStore } from '../../src/registry/registry.ts';
import { rejectionOf } from '../support/rejection.ts';
import { TestPostgres } from '../support/postgres.ts';
import { openRunStore } from './support.ts';

const STEPS = 200;
/** Told at once to whoever waits at the start. */
const OPEN_WITHIN_MS = 10_000;

const record = (key: string) => ({ dataset: 'records', key, json: '{}' });
const end = (store: RunStore, order: number) =>
  store.endStep(
    { batch: null, key: `${order}` },
    { status: 'done', value: `${order}`, records: [record(`${order}`)] },
    order,
  );

async function expectAllOnce(registry: Registry, store: RunStore): Promise<void> {
  const steps = await store.loadSteps();
  expect(steps.map(({ order, status }) => [order, status])).to.deep.equal(
    Array.from({ length: STEPS }, (_unused, order) => [order, 'done']),
  );
  expect(await Array.fromAsync(store.listRecords())).to.have.length(STEPS);
  expect(store.recordCount).to.equal(STEPS);
  expect(await registry.runs.get('run')).to.include({ records: STEPS });
}

describe('A registry in PostgreSQL, whose server', () => {
  it('is restarted while a run works: everything is kept once, and nobody is told of it', async () => {
    await using postgres = await TestPostgres.start();
    await using registry = await openRegistry(await postgres.createDatabase());
    const { store, failures } = await openRunStore(registry);
    for (let order = 0; order < STEPS; order += 1) {
      const ending = end(store, order);
      if (order % 60 === 30) {
        await postgres.stop();
        await postgres.start();
      }
      await ending;
    }
    await expectAllOnce(registry, store);
    expect(failures).to.deep.equal([]);
    await store.close();
  }).timeout(60_000);

  it('hangs for two seconds: the run waits for it, and the event loop does not', async () => {
    await using postgres = await TestPostgres.start();
    await using registry = await openRegistry(await postgres.createDatabase());
    const { store, failures } = await openRunStore(registry);
    await end(store, 0);
    const frozen = await freeze(postgres.pid, { tree: true });
    expect(frozen.length).to.be.greaterThan(1);
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 10);
    const rest = Promise.all(Array.from({ length: STEPS - 1 }, (_unused, index) => end(store, index + 1)));
    const resumed = new Promise((resolve) => setTimeout(resolve, 2_000)).then(() =>
      unfreeze(postgres.pid, { tree: true }),
    );
    await Promise.all([rest, resumed]);
    clearInterval(timer);
    expect(turns).to.be.greaterThan(50);
    await expectAllOnce(registry, store);
    expect(failures).to.deep.equal([]);
    await store.close();
  }).timeout(60_000);

  it('loses the answer to a commit: it is not done twice', async () => {
    await using postgres = await TestPostgres.start();
    const url = new URL(await postgres.createDatabase());
    await using proxy = await openProxy(postgres.port);
    url.port = String(proxy.port);
    await using registry = await openRegistry(url.href);
    const { store, failures } = await openRunStore(registry);
    await end(store, 0);
    const { commitNumber } = (await registry.runs.get('run'))!;
    proxy.cutNextCommit();
    await end(store, 1);
    expect(proxy.cuts).to.equal(1);
    expect(await registry.runs.get('run')).to.include({ commitNumber: commitNumber + 1, records: 2 });
    expect(store.recordCount).to.equal(2);
    for (let order = 2; order < STEPS; order += 1) await end(store, order);
    await expectAllOnce(registry, store);
    expect(failures).to.deep.equal([]);
    await store.close();
  }).timeout(60_000);

  it('is not there, or refuses the password, is named without it, soon', async () => {
    await using postgres = await TestPostgres.start();
    const url = new URL(await postgres.createDatabase());
    url.password = 'wrong-secret';
    const refused = await rejectionOf(openRegistry(url.href));
    expect(refused).to.be.instanceOf(RegistryError);
    expect(refused.message)
      .to.contain(`127.0.0.1:${postgres.port}`)
      .and.contain('password')
      .and.contain('REGISTRY_URL');
    await postgres.stop();
    const startedAt = performance.now();
    const absent = await rejectionOf(openRegistry(url.href));
    expect(absent).to.be.instanceOf(RegistryError);
    expect(absent.message).to.contain('ECONNREFUSED').and.contain('Start the database');
    expect(performance.now() - startedAt).to.be.below(OPEN_WITHIN_MS);
    for (const { message } of [refused, absent]) expect(message).not.to.contain('wrong-secret');
    await postgres.start();
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
      if (isArmed && /commit/i.test(data.toString('latin1'))) {
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
