import { expect } from 'chai';

import { Database } from '../../src/registry/sql/database.ts';
import { postgresDialect } from '../../src/registry/sql/postgres.ts';
import { openRegistry, RegistryError, type Registry } from '../../src/registry/registry.ts';
import { sqliteDialect } from '../../src/registry/sql/sqlite.ts';
import { startChildScript } from '../support/child-script.ts';
import { insertSession, rawSql } from '../support/raw-sql.ts';
import { rejectionOf } from '../support/rejection.ts';
import { describeOnBoth } from '../support/registries.ts';

const FIRST = '001_tables';
const PROCESS = { host: 'here', pid: 1, identity: 'one' };

describeOnBoth('Migrations', (registries) => {
  let url: string;

  beforeEach(async () => {
    url = await registries.url();
  });

  const toDialect = () =>
    registries.kind === 'sqlite' ? sqliteDialect(url.slice('sqlite:'.length)) : postgresDialect(url);
  const claim = ({ leases }: Registry, owner: string) =>
    leases.claim({ id: `claimed ${owner}`, owner, holder: 'me', process: PROCESS, leaseMs: 60_000 });
  const history = async () =>
    (await rawSql(url, 'select name from kysely_migration order by name')).map(({ name }) => name);

  it('are applied once if eight programs open an empty database at once', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => openRegistry(url)));
    for (const registry of opened) expect(await registry.sessions.list()).to.deep.equal([]);
    for (const registry of opened) expect(await claim(registry, 'mine')).to.include({ isClaimed: true });
    await Promise.all(opened.map((registry) => registry.close()));
    expect(new Set(await history()).size).to.equal((await history()).length);
  });

  it('do not change a database that is up to date', async () => {
    await (await openRegistry(url)).close();
    const before = await rawSql(url, 'select * from kysely_migration order by name');
    await (await openRegistry(url)).close();
    expect(await rawSql(url, 'select * from kysely_migration order by name')).to.deep.equal(before);
  });

  it('end duplicate live sessions except the newest, and do not change ended ones (R305)', async () => {
    await (await Database.open(toDialect(), { upTo: FIRST })).close();
    const at = (second: number) => ({ created_at: `2026-01-01T00:00:0${second}.000Z` });
    const rows = [
      { id: 'old', owner: 'two', ...at(1) },
      { id: 'new', owner: 'two', ...at(2), status: 'starting' },
      { id: 'a', owner: 'three', ...at(5) },
      { id: 'c', owner: 'three', ...at(5) },
      { id: 'b', owner: 'three', ...at(5) },
      { id: 'alone', owner: 'one', ...at(1) },
      { id: 'was', owner: 'two', ...at(9), status: 'dead', ended_at: at(9).created_at, error_message: 'x' },
      { id: 'standby', owner: 'two', ...at(9), status: 'standby' },
    ];
    for (const row of rows) await rawSql(url, insertSession(row));
    const before = await rawSql(
      url,
      "select * from sessions where id in ('was', 'standby', 'alone', 'new', 'c') order by id",
    );
    await using registry = await openRegistry(url);
    const live = await registry.sessions.list({ status: ['starting', 'active'] });
    expect(live.map(({ id }) => id)).to.have.members(['new', 'c', 'alone']);
    for (const id of ['old', 'a', 'b']) {
      const ended = await registry.sessions.get(id);
      expect(ended).to.include({ status: 'ended' });
      expect(ended?.endedAt).to.be.a('string');
      expect(ended?.errorMessage).to.contain('newer live session');
    }
    const kept = await rawSql(
      url,
      "select * from sessions where id in ('was', 'standby', 'alone', 'new', 'c') order by id",
    );
    expect(kept.map(({ released_at: _, live_view: __, ...row }) => row)).to.deep.equal(before);
    expect((await registry.metrics.read()).duplicateOwners).to.deep.equal([]);
  });

  it('make the database refuse a second live session of an owner, and allow ended ones (R305)', async () => {
    await (await openRegistry(url)).close();
    await rawSql(url, insertSession({ id: 'one', owner: 'mine' }));
    const second = await rejectionOf(rawSql(url, insertSession({ id: 'two', owner: 'mine', status: 'starting' })));
    expect(second.message.toLowerCase()).to.contain('unique');
    for (const status of ['ended', 'dead', 'expired'])
      await rawSql(url, insertSession({ id: status, owner: 'mine', status }));
    await rawSql(url, insertSession({ id: 'other', owner: 'other' }));
    expect(await rawSql(url, "select id from sessions where owner = 'mine'")).to.have.length(4);
  });

  it('refuse a database of a newer version, name the unknown migrations, and change nothing', async () => {
    await (await openRegistry(url)).close();
    const newer =
      "insert into kysely_migration (name, timestamp) values ('900_from_tomorrow', '2030-01-01T00:00:00.000Z')";
    await rawSql(url, newer);
    const refused = await rejectionOf(openRegistry(url));
    expect(refused).to.be.instanceOf(RegistryError);
    expect(refused.message).to.contain('900_from_tomorrow').and.contain('newer version').and.contain('Update');
    expect(refused.message).to.not.contain('postgres:postgres');
    expect(await history()).to.include('900_from_tomorrow');
  });

  it('leave nothing of a migration during which the program was killed, and let waiting programs continue', async () => {
    await using child = startChildScript('stuck-migration.ts', url);
    expect(await child.nextLine()).to.equal('in the middle');
    const waiting = openRegistry(url);
    expect(await Promise.race([waiting.then(() => 'open'), claimsNothing()])).to.equal('waits');
    await child.kill();
    await using registry = await waiting;
    expect(await claim(registry, 'mine')).to.include({ isClaimed: true });
    await using later = await openRegistry(url);
    expect(await later.sessions.count()).to.equal(1);
  });

  /** A connection that is not open after some turns of another connection waits. */
  async function claimsNothing(): Promise<string> {
    const tables = "select 1 from kysely_migration where name = '001_tables'";
    for (let look = 0; look < 20; look += 1) expect(await rawSql(url, tables)).to.deep.equal([]);
    return 'waits';
  }
});
