import { linkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import type { Death } from '../../src/model/death.ts';
import {
  LeaseLostError,
  openRegistry,
  RegistryDivergedError,
  type EndingStep,
  type Registry,
  type RunStore,
} from '../../src/registry/registry.ts';
import { makeDeath } from '../support/make-death.ts';
import { rawSql } from '../support/raw-sql.ts';
import { describeOnBoth, describeOnSqlite } from '../support/registries.ts';
import { rejectionOf } from '../support/rejection.ts';

const PROCESS = { host: 'here', pid: 1, identity: 'one' };
const NOTHING = { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };

interface Writer {
  readonly store: RunStore;
  readonly failures: readonly Error[];
  readonly endings: readonly (readonly EndingStep[])[];
  readonly deaths: Death[];
  end(key: string, order: number): Promise<unknown>;
}

async function openWriter(registry: Registry, token: number): Promise<Writer> {
  const run = await registry.runs.begin('run', { token, process: PROCESS });
  const failures: Error[] = [];
  const endings: (readonly EndingStep[])[] = [];
  const deaths: Death[] = [];
  const store = registry.runs.openStore(run, {
    token,
    snapshot: (ending) => {
      endings.push(ending);
      const counts = { ...NOTHING, total: ending.length, done: ending.length };
      return { counts, display: null, sessions: 1, reused: 0, contextLosses: 0, deaths: [...deaths], durationMs: 0 };
    },
    onFailure: (error) => failures.push(error),
    onCancel: () => undefined,
  });
  const end = (key: string, order: number) => {
    const records = [{ dataset: 'records', key, json: JSON.stringify({ by: token }) }];
    return store.endStep({ batch: null, key }, { status: 'done', value: undefined, records }, order);
  };
  return { store, failures, endings, deaths, end };
}

describeOnBoth('The fence of a run', (registries) => {
  let registry: Registry;
  let url: string;

  beforeEach(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
    await registry.runs.create({ id: 'run', action: 'test', params: {}, owner: 'run' });
  });

  afterEach(() => registry.close());

  const stored = async () => ({
    records: (await rawSql(url, 'select key, json from records order by ord')).map(({ key, json }) =>
      [key, json].join(' '),
    ),
    steps: (await rawSql(url, 'select key from steps order by ord')).map(({ key }) => key),
  });

  it('refuses all commits of a writer after a newer one has begun, even with the same commit number', async () => {
    const old = await openWriter(registry, 1);
    const newer = await openWriter(registry, 2);
    await newer.end('b', 1);
    const before = await registry.runs.get('run');
    expect(await rejectionOf(old.end('a', 0))).to.be.instanceOf(LeaseLostError);
    expect(await stored()).to.deep.equal({ steps: ['b'], records: ['b {"by":2}'] });
    expect(await registry.runs.get('run')).to.deep.equal(before);
    await newer.store.close();
  });

  it('refuses all commits of a writer after a newer one has ended the run', async () => {
    const old = await openWriter(registry, 1);
    const newer = await openWriter(registry, 2);
    await newer.store.finish({ status: 'completed', error: null, outputs: {} });
    const end = { status: 'failed', error: null, outputs: {} } as const;
    expect(await rejectionOf(old.store.finish(end))).to.be.instanceOf(LeaseLostError);
    expect(await registry.runs.get('run')).to.include({ status: 'completed', token: null });
    const ends = await rawSql(url, `select status from events where type = 'run_ended'`);
    expect(ends).to.deep.equal([{ status: 'completed' }]);
  });

  it('refuses a begin under a token that is older than any before, also after the run ended', async () => {
    const newer = await openWriter(registry, 7);
    await newer.store.finish({ status: 'partial', error: null, outputs: {} });
    expect(await rejectionOf(registry.runs.begin('run', { token: 6, process: PROCESS }))).to.be.instanceOf(
      LeaseLostError,
    );
    expect(await registry.runs.get('run')).to.include({ status: 'partial', lastToken: 7 });
  });

  it('accepts only one of two writers with the same token', async () => {
    const first = await openWriter(registry, 3);
    const second = await openWriter(registry, 3);
    expect(await rejectionOf(first.end('a', 0))).to.be.instanceOf(LeaseLostError);
    await second.end('b', 1);
    expect((await stored()).steps).to.deep.equal(['b']);
    await second.store.close();
  });

  it('ends the writer as diverged if commits are missing, and writes nothing', async () => {
    const writer = await openWriter(registry, 1);
    await writer.end('a', 0);
    await writer.end('b', 1);
    await rawSql(url, `update runs set commit_number = commit_number - 1 where id = 'run'`);
    const failure = await rejectionOf(writer.end('c', 2));
    expect(failure).to.be.instanceOf(RegistryDivergedError).with.property('code', 'registry-diverged');
    expect(failure.message).to.match(
      /has lost commits of the run run: it is at commit 1, after commit 2 was confirmed/,
    );
    expect(writer.failures).to.deep.equal([failure]);
    expect((await stored()).steps).to.deep.equal(['a', 'b']);
  });

  it('ends the writer as diverged if the whole run is missing, and as lost if it was removed', async () => {
    const writer = await openWriter(registry, 1);
    await rawSql(url, `delete from runs where id = 'run'`);
    expect(await rejectionOf(writer.store.prove())).to.be.instanceOf(RegistryDivergedError);
    await registry.events.append({ type: 'run_removed', runId: 'run' });
    await registry.runs.create({ id: 'run', action: 'test', params: {}, owner: 'run' });
    const second = await openWriter(registry, 2);
    await rawSql(url, `delete from runs where id = 'run'`);
    expect(await rejectionOf(second.store.prove())).to.be.instanceOf(LeaseLostError);
  });

  it('stores the deaths at the moment of each commit, also one that happened during another commit', async () => {
    const writer = await openWriter(registry, 1);
    writer.deaths.push(makeDeath({ epoch: 1 }));
    const ending = writer.end('a', 0);
    writer.deaths.push(makeDeath({ epoch: 2 }));
    await ending;
    await writer.end('b', 1);
    expect((await registry.runs.get('run'))?.deaths.map(({ epoch }) => epoch)).to.deep.equal([1, 2]);
    await writer.store.close();
  });

  it('passes the steps that end with a commit to the snapshot of that commit', async () => {
    const writer = await openWriter(registry, 1);
    await Promise.all([writer.end('a', 0), writer.end('b', 1)]);
    expect(writer.endings.flat()).to.deep.equal([
      { id: '[null,"a"]', status: 'done' },
      { id: '[null,"b"]', status: 'done' },
    ]);
    expect((await registry.runs.get('run'))?.counts).to.include({ done: 2, total: 2 });
    await writer.store.close();
  });

  it('counts a record that existed before only once', async () => {
    const writer = await openWriter(registry, 1);
    await writer.end('a', 0);
    await Promise.all([writer.end('a', 0), writer.end('b', 1)]);
    expect(await registry.runs.get('run')).to.include({ records: 2 });
    expect(writer.store.recordCount).to.equal(2);
    await writer.store.close();
  });
});

describeOnBoth('Lease tokens', (registries) => {
  const claim = (registry: Registry, id: string) =>
    registry.leases.claim({ id, owner: id, holder: 'manager', process: PROCESS, leaseMs: 60_000 });

  it('grow, and are issued only once, also by a registry that was restored from a copy', async () => {
    const url = await registries.url();
    await using registry = await openRegistry(url);
    const tokens: number[] = [];
    const take = async (id: string) => {
      const claimed = await claim(registry, id);
      if (claimed.isClaimed) tokens.push(claimed.session.token);
    };
    await Promise.all(['a', 'b', 'c'].map(take));
    await rawSql(url, `delete from sessions`);
    await rawSql(url, `update counters set value = 1 where name = 'lease_token'`);
    await take('d');
    await take('e');
    expect(new Set(tokens).size).to.equal(5);
    expect(tokens.slice(3)).to.satisfy(([d = 0, e = 0]: number[]) => d > Math.max(...tokens.slice(0, 3)) && e > d);
  });
});

describeOnSqlite('A registry file that disappears', (registries) => {
  for (const [what, change] of [
    ['deleted', (file: string) => rmSync(file)],
    ['replaced', (file: string) => renameSync(`${file}.other`, file)],
    ['left without its log', (file: string) => rmSync(`${file}-wal`)],
    ['left without its locks', (file: string) => rmSync(`${file}-shm`)],
  ] as const) {
    it(`is noticed if it was ${what}: nothing more is stored, and the message names the cause`, async () => {
      const url = await registries.url();
      const file = url.slice('sqlite:'.length);
      await using registry = await openRegistry(url);
      await registry.runs.create({ id: 'run', action: 'test', params: {}, owner: 'run' });
      const writer = await openWriter(registry, 1);
      await writer.end('a', 0);
      writeFileSync(`${file}.other`, '');
      change(file);
      const failure = await rejectionOf(writer.end('b', 1));
      expect(failure).to.be.instanceOf(RegistryDivergedError);
      expect(failure.message)
        .to.contain(file)
        .and.match(/was replaced or deleted while this program used it/);
      expect(
        await rejectionOf(registry.leases.renew('manager', [], 1).then(() => registry.runs.get('run'))),
      ).to.be.instanceOf(RegistryDivergedError);
    });
  }

  it('is refused if it has a hard link, which would have its own log, and accepted by a symbolic link', async () => {
    const url = await registries.url();
    const file = url.slice('sqlite:'.length);
    await (await openRegistry(url)).close();
    symlinkSync(file, `${file}.symbolic`);
    await using registry = await openRegistry(`${url}.symbolic`);
    await registry.runs.create({ id: 'run', action: 'test', params: {}, owner: 'run' });
    linkSync(file, `${file}.hard`);
    for (const name of [url, `${url}.hard`]) {
      const refusal = await rejectionOf(openRegistry(name));
      expect(refusal).to.include({ code: 'invalid-config' });
      expect(refusal.message).to.contain('has 2 names (hard links)');
    }
    rmSync(`${file}.hard`);
    await using other = await openRegistry(url);
    expect(await other.runs.get('run')).to.include({ id: 'run' });
  });

  it('stays the same for a relative path when the working directory changes', async () => {
    const url = await registries.url();
    const before = process.cwd();
    const file = path.relative(before, url.slice('sqlite:'.length));
    await using registry = await openRegistry(`sqlite:${file}`);
    process.chdir(path.parse(before).root);
    try {
      await registry.runs.create({ id: 'run', action: 'test', params: {}, owner: 'run' });
      expect(await registry.runs.get('run')).to.include({ id: 'run' });
    } finally {
      process.chdir(before);
    }
  });
});
