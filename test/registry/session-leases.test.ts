import { expect } from 'chai';
import { NO_DIAGNOSIS } from '../../src/model/death.ts';

import { LeaseLostError, openRegistry, type Claim, type Registry } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { literal, rawSql } from '../support/raw-sql.ts';
import { rejectionOf } from '../support/rejection.ts';
import { describeOnBoth } from '../support/registries.ts';
import { beginRun, claimed, openSeveral, PROCESS } from './support/leases.ts';

const LONG_MS = 60_000;
const FACTS = { webdriverId: 'w', driverPid: 2, browserPid: 3, folder: '/tmp/x', endpoint: undefined };
const DEATH = { cause: 'browser-gone', detectedBy: 'process-exit', diagnosis: NO_DIAGNOSIS };
const ENDED = { status: 'ended' } as const;

describeOnBoth('SessionLeases', (registries) => {
  let url: string;
  let registry: Registry;
  let number = 0;
  let owner: string;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
  });

  after(() => registry.close());

  beforeEach(() => {
    owner = `owner ${(number += 1)}`;
  });

  const makeClaim = (claim: Partial<Claim> = {}): Claim => ({
    id: `session ${(number += 1)}`,
    owner,
    holder: 'me',
    process: PROCESS,
    leaseMs: LONG_MS,
    ...claim,
  });
  const ask = (claim: Partial<Claim> = {}, { leases } = registry) => leases.claim(makeClaim(claim));
  const take = async (claim: Partial<Claim> = {}, from = registry) => claimed(await ask(claim, from)).session;
  const takeLapsed = async (claim: Partial<Claim> = {}) => {
    const session = await take({ leaseMs: 1, holder: 'late', ...claim });
    await eventually(
      async () => (await registry.sessions.listLapsed({ limit: 1_000 })).some(({ id }) => id === session.id),
      'the lease runs out',
    );
    return session;
  };
  const renew = (id: string, holder = 'me') =>
    registry.leases.renew(holder, [{ id, lastHeartbeatAt: null, lastUsedAt: new Date().toISOString() }], LONG_MS);
  const eventsOf = async (column: 'session_id' | 'run_id', id: string) =>
    (await rawSql(url, `select type from events where ${column} = ${literal(id)} order by id`)).map(({ type }) => type);

  it('gives one owner to one of 100 concurrent callers over five connections, and names it to the others (R301)', async () => {
    await using crowd = await openSeveral(url, 5);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_unused, index) => ask({}, crowd.registries[index % 5])),
    );
    const winners = answers.filter(({ isClaimed }) => isClaimed);
    expect(winners).to.have.length(1);
    const { session } = claimed(winners[0]!);
    const losers = answers.filter((answer) => !answer.isClaimed);
    expect(new Set(losers.map(({ heldBy }) => heldBy.id))).to.deep.equal(new Set([session.id]));
    expect(losers.every(({ leaseLeftMs }) => leaseLeftMs > 0 && leaseLeftMs <= LONG_MS)).to.equal(true);
    expect(await registry.sessions.count({ owner })).to.equal(1);
  });

  it('rejects no caller and never has two holders while many claim and release in turns', async () => {
    await using crowd = await openSeveral(url, 4);
    let holders = 0;
    let taken = 0;
    const worker = async (each: Registry) => {
      for (let round = 0; round < 12; round += 1) {
        const answer = await ask({}, each);
        if (!answer.isClaimed) continue;
        taken += 1;
        holders += 1;
        expect(holders).to.equal(1);
        holders -= 1;
        await each.leases.release(answer.session.id, 'me', ENDED);
      }
    };
    await Promise.all([...crowd.registries, ...crowd.registries].map(worker));
    expect(taken).to.be.greaterThan(0);
    expect(await registry.sessions.count({ owner, status: ['starting', 'active'] })).to.equal(0);
  });

  it('creates a session that waits for its browser', async () => {
    const session = await take({ runId: 'r' });
    expect(session).to.deep.include({ owner, status: 'starting', holder: 'me', epoch: 1, runId: 'r', ...NOTHING_YET });
    expect(session).to.deep.include({ host: 'here', pid: 1, processIdentity: 'one' });
    expect(await registry.sessions.get(session.id)).to.deep.equal(session);
    expect(await eventsOf('session_id', session.id)).to.deep.equal(['session_starting']);
  });

  it('returns the same session after the answer to a claim was lost', async () => {
    const claim = makeClaim();
    const first = claimed(await registry.leases.claim(claim));
    const second = claimed(await registry.leases.claim(claim));
    expect(second).to.deep.equal({ ...first, expired: null });
    expect(await registry.sessions.count({ owner })).to.equal(1);
  });

  it('does not disturb the holder of another owner', async () => {
    const mine = await take();
    const theirs = await take({ owner: `${owner}#2`, holder: 'they' });
    await registry.leases.release(mine.id, 'me', ENDED);
    expect(await renew(theirs.id, 'they')).to.deep.equal(new Map());
    expect(await registry.sessions.get(theirs.id)).to.include({ status: 'starting', token: theirs.token });
  });

  it('gives a holder with an expired lease time to renew it, and takes over only if it does not', async () => {
    const old = await takeLapsed();
    const first = await ask();
    expect(first).to.deep.include({ isClaimed: false, heldBy: old });
    expect(first.isClaimed || first.leaseLeftMs).to.be.at.most(0);
    await registry.leases.renew(
      'late',
      [{ id: old.id, lastHeartbeatAt: null, lastUsedAt: new Date().toISOString() }],
      -9_000,
    );
    expect(await ask({ lapsed: old })).to.include({ isClaimed: false });
    expect(await registry.sessions.get(old.id)).to.include({ status: 'starting' });
    const seen = (await registry.sessions.get(old.id))!;
    expect(claimed(await ask({ lapsed: seen })).expired?.id).to.equal(old.id);
  });

  it('takes over after the lease: the older session has expired, and its token is too old', async () => {
    const old = await takeLapsed();
    const { session, expired } = claimed(await ask({ lapsed: old }));
    expect(expired?.id).to.equal(old.id);
    expect(session.token).to.be.greaterThan(old.token);
    const history = await registry.sessions.get(old.id);
    expect(history).to.include({ status: 'expired', holder: 'late', token: old.token });
    expect(Date.parse(history?.endedAt ?? '')).to.be.greaterThan(0);
    expect(history?.errorMessage).to.contain('pid 1 on here');
    expect(await eventsOf('session_id', old.id)).to.deep.equal(['session_starting', 'session_expired']);
  });

  it('lets one of many callers take over, and names it to the others', async () => {
    await using crowd = await openSeveral(url, 4);
    for (let round = 0; round < 5; round += 1) {
      owner = `owner ${(number += 1)}`;
      const lapsed = await takeLapsed();
      const all = Array.from({ length: 12 }, (_unused, index) => ask({ lapsed }, crowd.registries[index % 4]));
      const answers = await Promise.all(all);
      const winner = claimed(answers.find(({ isClaimed }) => isClaimed)!).session;
      const named = answers.map((answer) => (answer.isClaimed ? answer.session : answer.heldBy).id);
      expect(named).to.deep.equal(answers.map(() => winner.id));
    }
  });

  it('halts the run of a session that was taken over, with counts that add up, and stores nothing more of it', async () => {
    const old = await takeLapsed({ runId: owner });
    await using run = await beginRun(registry, { id: owner, token: old.token });
    await run.store.endStep({ batch: null, key: 'a' }, { status: 'done', value: '1', records: [] }, 0);
    await ask({ lapsed: old });
    const { counts, ...row } = (await registry.runs.get(owner))!;
    expect(row).to.deep.include({ status: 'halted', token: null });
    expect(row.error?.code).to.equal('lease-lost');
    expect(counts).to.deep.equal({ total: 9, queued: 0, running: 0, done: 2, failed: 1, cancelled: 5, skipped: 1 });
    const late = run.store.endStep({ batch: null, key: 'b' }, { status: 'done', value: '1', records: [] }, 1);
    expect(await rejectionOf(late)).to.be.instanceOf(LeaseLostError);
    expect(await Array.fromAsync(run.store.loadSteps())).to.have.length(1);
    expect(await eventsOf('run_id', owner)).to.include('run_ended');
  });

  it('does not wait for the lease of a session whose process is known to be gone', async () => {
    const old = await take({ holder: 'gone' });
    expect((await ask({ goneIds: ['another'] })).isClaimed).to.equal(false);
    expect(claimed(await ask({ goneIds: [old.id] })).expired?.id).to.equal(old.id);
  });

  it('refuses every late change of a holder that lost its session, and names its status', async () => {
    const old = await takeLapsed();
    await ask({ lapsed: old });
    const { leases } = registry;
    for (const late of [leases.activate(old.id, 'late', FACTS), leases.succeed(old.id, 'late', next())]) {
      const refused = await rejectionOf(late);
      expect(refused).to.be.instanceOf(LeaseLostError);
      expect(refused.message).to.contain(old.id).and.contain('expired').and.contain('did not renew its lease');
    }
    await leases.release(old.id, 'late', ENDED);
    const lost = await renew(old.id, 'late');
    expect(lost.get(old.id)).to.deep.equal(await registry.sessions.get(old.id));
    expect(lost.get(old.id)?.status).to.equal('expired');
  });

  it('refuses changes of all processes but the holder', async () => {
    const { id } = await take();
    expect(await rejectionOf(registry.leases.activate(id, 'they', FACTS))).to.be.instanceOf(LeaseLostError);
    await registry.leases.release(id, 'they', ENDED);
    expect([...(await renew(id, 'they')).keys()]).to.deep.equal([id]);
    expect(await registry.sessions.get(id)).to.include({ status: 'starting' });
    expect((await rejectionOf(registry.leases.activate('nobody', 'me', FACTS))).message).to.contain('gone from');
  });

  it('stores the facts about a session when its browser runs', async () => {
    const { id } = await take();
    const active = await registry.leases.activate(id, 'me', FACTS);
    expect(active).to.include({ status: 'active', webdriverId: 'w', driverPid: 2, browserPid: 3, folder: '/tmp/x' });
    expect(active.endpoint).to.equal(null);
    expect(active.lastHeartbeatAt).to.equal(active.startedAt);
    expect(await registry.sessions.get(id)).to.deep.equal(active);
  });

  it('passes the owner from a dead session to the next one under the same token', async () => {
    const { id, token } = await take({ runId: 'r' });
    const active = await registry.leases.activate(id, 'me', FACTS);
    const after = await registry.leases.succeed(id, 'me', next('heir'));
    expect(after).to.deep.include({ id: `heir ${owner}`, token, epoch: 2, owner, runId: 'r', ...NOTHING_YET });
    expect(await registry.sessions.get(id)).to.deep.include({
      webdriverId: 'w',
      startedAt: active.startedAt,
      status: 'dead',
      death: DEATH,
    });
    expect(await eventsOf('session_id', id)).to.deep.equal(['session_starting', 'session_started', 'session_dead']);
  });

  it('passes the owner once if the answer was lost', async () => {
    const { id } = await take();
    const first = await registry.leases.succeed(id, 'me', next('twice'));
    expect(await registry.leases.succeed(id, 'me', next('twice'))).to.deep.equal(first);
    expect(await registry.sessions.count({ owner })).to.equal(2);
  });

  it('never leaves the owner free between a death and the next session', async () => {
    await using crowd = await openSeveral(url, 1);
    let { id } = await take();
    const over = new AbortController();
    const rival = (async () => {
      let won = 0;
      let tries = 0;
      for (; !over.signal.aborted; tries += 1)
        if ((await ask({ holder: 'rival' }, crowd.registries[0])).isClaimed) won += 1;
      return { won, tries };
    })();
    for (let nth = 0; nth < 30; nth += 1) ({ id } = await registry.leases.succeed(id, 'me', next(`${nth}`)));
    over.abort();
    const { won, tries } = await rival;
    expect(won).to.equal(0);
    expect(tries).to.be.greaterThan(0);
    expect(await registry.sessions.list({ owner, status: ['starting', 'active'] })).to.have.length(1);
    expect(await registry.sessions.count({ owner, status: 'dead' })).to.equal(30);
  });

  for (const status of ['ended', 'dead', 'expired', 'timed_out'] as const) {
    it(`releases the owner as ${status}, once, to the next claim; the session's row stays`, async () => {
      const { id } = await take();
      await registry.leases.release(id, 'me', { status, message: 'why\0' });
      await registry.leases.release(id, 'me', { status: 'dead', death: DEATH });
      const { session, expired } = claimed(await ask({ holder: 'they' }));
      expect(expired).to.equal(null);
      expect(await registry.sessions.get(id)).to.deep.include({ status, errorMessage: 'why\ufffd', death: null });
      expect((await registry.sessions.list({ owner })).map((row) => row.id)).to.have.members([id, session.id]);
    });
  }

  it('leaves no row of a session that only reserved the owner after a death', async () => {
    const { id } = await take();
    const heir = await registry.leases.succeed(id, 'me', next());
    await registry.leases.release(heir.id, 'me', { status: 'dead', death: DEATH });
    expect((await registry.sessions.list({ owner })).map((row) => row.id)).to.deep.equal([id]);
    expect((await ask()).isClaimed).to.equal(true);
  });

  it('counts a session as created when its browser runs, including those after deaths (R306)', async () => {
    const created = async () => (await registry.metrics.read()).sessionsCreated[owner];
    const { id } = await take();
    expect(await created()).to.equal(undefined);
    await registry.leases.activate(id, 'me', FACTS);
    const heir = await registry.leases.succeed(id, 'me', next());
    expect(await created()).to.equal(1);
    await registry.leases.activate(heir.id, 'me', FACTS);
    expect(await created()).to.equal(2);
  });

  it('takes a live session away for the user, and halts its run', async () => {
    const { id, token } = await take();
    await using run = await beginRun(registry, { id: owner, token });
    const revoked = await registry.leases.revoke(id, { status: 'timed_out', message: 'stuck for 30 min' });
    expect(revoked).to.include({ status: 'timed_out', errorMessage: 'stuck for 30 min' });
    expect(revoked).to.deep.equal(await registry.sessions.get(id));
    expect(await registry.runs.get(owner)).to.deep.include({
      status: 'timed_out',
      token: null,
      error: { code: 'run-timed-out', message: 'stuck for 30 min' },
    });
    expect(await registry.leases.revoke(id, { status: 'ended', message: 'again' })).to.equal(undefined);
    expect(await eventsOf('run_id', owner)).to.deep.equal(['run_started', 'run_ended']);
    expect((await renew(id)).get(id)?.errorMessage).to.equal('stuck for 30 min');
    await run.store.close();
  });

  it('stores the cause of a death, and counts the death and the work that it cancelled', async () => {
    const { id } = await take();
    const before = await registry.metrics.read();
    const death = { ...DEATH, cancelled: { queued: 3, running: 2, none: 0 } };
    await registry.leases.release(id, 'me', { status: 'dead', death });
    const after = await registry.metrics.read();
    expect((await registry.sessions.get(id))?.death).to.deep.equal(death);
    expect(deathsOf(after) - deathsOf(before)).to.equal(1);
    // As version 0.2 counted it.
    await registry.metrics.count('session_deaths', { label: `${DEATH.cause} ${DEATH.detectedBy}` });
    expect(deathsOf(await registry.metrics.read()) - deathsOf(before)).to.equal(2);
    expect(after.workCancelled['queued']! - (before.workCancelled['queued'] ?? 0)).to.equal(3);
    expect(after.workCancelled).to.not.have.property('none');
  });

  it('renews many sessions by one call, and returns those that are lost', async () => {
    const mine = await Promise.all(
      Array.from({ length: 40 }, (_unused, index) => take({ owner: `${owner}#${index}` })),
    );
    const [gone, theirs, ...kept] = mine.map(({ id }) => id);
    await registry.leases.release(gone!, 'me', ENDED);
    const stranger = await take({ owner: `${owner}#they`, holder: 'they' });
    const at = new Date(Date.now() + 1_000).toISOString();
    const ids = [gone!, theirs!, ...kept, stranger.id, 'unknown'];
    const renewals = ids.map((id) => ({ id, lastHeartbeatAt: id === theirs ? null : at, lastUsedAt: at }));
    const lost = await registry.leases.renew('me', renewals, 3 * LONG_MS);
    expect([...lost.keys()]).to.have.members([gone, stranger.id, 'unknown']);
    expect(lost.get('unknown')).to.equal(null);
    expect(lost.get(stranger.id)).to.deep.equal(stranger);
    for (const id of kept) {
      const row = await registry.sessions.get(id);
      expect(row).to.include({ lastHeartbeatAt: at, lastUsedAt: at });
      expect(row!.leaseExpiresMs).to.be.greaterThan(mine[0]!.leaseExpiresMs + LONG_MS);
    }
    expect(await registry.sessions.get(theirs!)).to.include({ lastHeartbeatAt: null, lastUsedAt: at });
  });

  it('renews the other sessions if the row of one is damaged', async () => {
    const [spoilt, other] = [await take({ owner: `${owner}#1` }), await take({ owner: `${owner}#2` })];
    await rawSql(url, `update sessions set status = 'odd' where id = ${literal(spoilt.id)}`);
    const at = new Date().toISOString();
    const renewals = [spoilt, other].map(({ id }) => ({ id, lastHeartbeatAt: at, lastUsedAt: at }));
    expect(await registry.leases.renew('me', renewals, LONG_MS)).to.deep.equal(new Map([[spoilt.id, null]]));
    expect(await registry.sessions.get(other.id)).to.include({ lastUsedAt: at });
  });

  it('proves that a claim is possible, and leaves nothing of the proof', async () => {
    const before = await rawSql(
      url,
      'select (select count(*) from sessions) as sessions, (select count(*) from events) as events',
    );
    await registry.leases.prove(1_000);
    const after = await rawSql(
      url,
      'select (select count(*) from sessions) as sessions, (select count(*) from events) as events',
    );
    expect(after).to.deep.equal(before);
    await rawSql(url, 'alter table sessions rename to elsewhere');
    expect((await rejectionOf(registry.leases.prove(1_000))).message).to.match(/sessions/);
    await rawSql(url, 'alter table elsewhere rename to sessions');
  });

  it('accepts leases of any length', async () => {
    const year = 365 * 24 * 60 * 60_000 + 0.5;
    const { id, leaseExpiresMs } = await take({ leaseMs: year });
    expect(leaseExpiresMs).to.be.closeTo(Date.now() + year, LONG_MS);
    await registry.leases.renew('me', [{ id, lastHeartbeatAt: null, lastUsedAt: new Date().toISOString() }], year);
    expect((await registry.sessions.get(id))!.leaseExpiresMs).to.be.at.least(leaseExpiresMs);
  });

  const NOTHING_YET = { webdriverId: null, driverPid: null, startedAt: null, endedAt: null, death: null };
  const next = (name = 'next') => ({ death: DEATH, nextId: `${name} ${owner}` });
});

function deathsOf({ deaths }: Awaited<ReturnType<Registry['metrics']['read']>>): number {
  return deaths.find(({ cause, detectedBy }) => cause === DEATH.cause && detectedBy === DEATH.detectedBy)?.number ?? 0;
}
