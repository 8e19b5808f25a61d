import { expect } from 'chai';

import { SESSION_STATUSES } from '../../../src/model/session.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { rawSql } from '../../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../../support/registries.ts';
import { useFilledMonitor } from '../support/filled-monitor.ts';
import { DISK_FULL, ENDED_RUNS, ODD_OWNER } from '../support/filled-registry.ts';
import type { OpenedMonitor } from '../support/opened-monitor.ts';
import { startSession } from '../support/rows.ts';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describeOnSqliteAndInFullOnPostgres('Monitor: the answers of its routes', (registries) => {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;

  const { opened, get, page } = useFilledMonitor(registries);
  before(() => {
    ({ url, registry, monitor } = opened());
  });

  const idsOf = async (list: 'runs' | 'sessions', query: string) =>
    (await page(list, query)).rows.map(({ id }) => id).toSorted();

  it('report in /livez and /readyz that it runs and can answer', async () => {
    expect(await get('/livez')).to.deep.equal({ status: 'ok', reason: null });
    expect(await get('/readyz')).to.deep.equal({ status: 'ok', reason: null });
  });

  it('count in /health/sessions all, processing and stuck sessions, with the thresholds (R207)', async () => {
    const { timestamp, ...rest } = await get('/health/sessions');
    expect(timestamp).to.match(ISO);
    expect(rest).to.deep.equal({
      status: 'critical',
      // Only "working", "slow" and "stuck" have both a live session and a processing run.
      metrics: { total_sessions: 13, processing_sessions: 3, long_running_sessions: 5, stuck_sessions: 3 },
      thresholds: { warning_minutes: 15, timeout_minutes: 30, max_long_running: 3 },
    });
  });

  it('list in /health/sessions/stuck the stuck work, the longest first, with all that identifies it (R207)', async () => {
    const { stuck_sessions: stuck, count } = await get('/health/sessions/stuck');
    expect(count).to.equal(3);
    for (const one of stuck) expect(one.created_at).to.match(ISO);
    expect(stuck.map(({ created_at: _at, last_progress_at: _progress, ...rest }: object & Row) => rest)).to.deep.equal([
      {
        id: null,
        owner: 'owner of bare',
        run_id: 'bare',
        action: 'gather',
        processing_minutes: 90,
        host: 'elsewhere',
        pid: 4711,
      },
      {
        id: 'session of stuck',
        owner: ODD_OWNER,
        run_id: 'stuck',
        action: 'gather',
        processing_minutes: 45,
        host: 'elsewhere',
        pid: 4711,
      },
      {
        id: 'idle',
        owner: 'owner of idle',
        run_id: null,
        action: null,
        processing_minutes: 31,
        host: 'elsewhere',
        pid: 4711,
      },
    ]);
    const run = await registry.runs.get('stuck');
    expect(stuck[1].last_progress_at).to.equal(run?.lastProgressAt);
  });

  it('have the numbers of sessions, the reasons and the leader in /health, with 503 if it is critical (R405)', async () => {
    const { status, json } = await monitor.ask('/health');
    expect(status).to.equal(503);
    expect(json).to.have.all.keys(
      'status',
      'timestamp',
      'reasons',
      'registry',
      'sessions',
      'thresholds',
      'leader',
      'sweeper',
      'cleanup',
    );
    expect(json).to.deep.include({
      status: 'critical',
      reasons: [
        '3 stuck: no progress for more than 30 min',
        '5 without progress for more than 15 min; more than 3 are too many',
        '1 alert fires: stuck',
      ],
      sessions: {
        total_sessions: 13,
        processing_sessions: 3,
        long_running_sessions: 5,
        stuck_sessions: 3,
        active_sessions: 8,
        utilisation: 0.07,
      },
      thresholds: { warning_minutes: 15, timeout_minutes: 30, max_long_running: 3 },
      sweeper: { enabled: false, last_at: null },
      cleanup: { enabled: false, last_at: null },
    });
    expect(json.registry).to.include({ ok: true, message: null });
    expect(json.registry.place).to.not.include('postgres:postgres');
    expect(json.leader.is_leader).to.equal(true);
    expect(json.leader.holder).to.match(/^.+:\d+$/);
  });

  it('have all public fields of one session, and its age', async () => {
    const stored = await registry.sessions.get('session of stuck');
    const { age_seconds: age, ...rest } = await get('/sessions/session%20of%20stuck');
    expect(age).to.be.a('number').and.within(0, 60);
    expect(rest).to.deep.equal({
      id: 'session of stuck',
      owner: ODD_OWNER,
      status: 'active',
      epoch: 1,
      run_id: 'stuck',
      webdriver_id: 'webdriver of session of stuck',
      host: 'elsewhere',
      pid: 4711,
      endpoint: null,
      live_view: null,
      created_at: stored?.createdAt,
      started_at: stored?.startedAt,
      last_heartbeat_at: stored?.lastHeartbeatAt,
      last_used_at: stored?.lastUsedAt,
      ended_at: null,
      death: null,
      message: null,
    });
  });

  it('have the page of a Grid about a session while the session is live', async () => {
    const liveView = 'http://grid:4444/ui/#/session/2a5e87c1b3d94f6088d1c7e0f4a2b963';
    await startSession(registry, { id: 'on a grid', endpoint: 'http://grid:4444/', liveView });
    expect(await get('/sessions/on%20a%20grid')).to.include({ status: 'active', live_view: liveView });
    await registry.leases.release('on a grid', 'manager', { status: 'ended' });
    expect(await get('/sessions/on%20a%20grid')).to.include({ status: 'ended', live_view: null });
  });

  it('have the reason why a session died or was ended', async () => {
    expect(await get('/sessions/dead')).to.deep.include({
      status: 'dead',
      death: { cause: 'browser-gone', detected_by: 'devtools', message: 'the browser went away', diagnosis: DISK_FULL },
    });
    const timedOut = await get('/sessions/timed_out');
    expect(timedOut).to.deep.include({ status: 'timed_out', death: null, message: 'no command for 31 min' });
    expect(timedOut.ended_at).to.match(ISO);
  });

  it('have the counts, progress, deaths and error of one run', async () => {
    const stored = await registry.runs.get('failed');
    const run = await get('/runs/failed');
    expect(run).to.deep.equal({
      id: 'failed',
      action: 'gather',
      owner: 'owner of failed',
      status: 'failed',
      counts: { total: 8, queued: 0, running: 0, done: 4, failed: 2, cancelled: 1, skipped: 1 },
      progress: { done: 5, total: 0, percent: null, label: null },
      records: 0,
      parent_id: null,
      shard: null,
      shards: null,
      attempts: 0,
      sessions: 2,
      deaths: [
        {
          cause: 'browser-gone',
          detected_by: 'devtools',
          message: 'the browser went away',
          diagnosis: DISK_FULL,
          at: stored?.deaths[0]?.at,
        },
      ],
      error: { code: 'units-failed', message: 'it was failed' },
      host: null,
      pid: null,
      is_cancel_requested: false,
      created_at: stored?.createdAt,
      started_at: null,
      last_progress_at: null,
      ended_at: stored?.endedAt,
      duration_ms: 1_234,
      resume: 'webdriver-supervisor run gather --resume failed',
      show: 'webdriver-supervisor runs show failed',
    });
  });

  it('have the progress that the action reports', async () => {
    expect((await get('/runs/slow')).progress).to.deep.equal({ done: 3, total: 12, percent: 25, label: 'pages' });
  });

  it('list sessions by status, live ones, and those of an owner, even with a strange name', async () => {
    for (const status of SESSION_STATUSES) {
      const stored = await registry.sessions.list({ status });
      expect(stored, status).to.not.deep.equal([]);
      expect(await idsOf('sessions', `status=${status}`)).to.deep.equal(stored.map(({ id }) => id).toSorted());
    }
    expect(await idsOf('sessions', 'status=live')).to.have.length(8);
    expect(await idsOf('sessions', `owner=${encodeURIComponent(ODD_OWNER)}`)).to.deep.equal(['session of stuck']);
    expect(await idsOf('sessions', 'owner=nobody')).to.deep.equal([]);
  });

  it('list runs by status, owner and action', async () => {
    expect(await idsOf('runs', 'status=processing')).to.deep.equal(['bare', 'slow', 'stuck', 'working']);
    expect(await idsOf('runs', 'status=pending')).to.deep.equal(['pending', 'pending too', 'with records']);
    for (const status of ENDED_RUNS) expect(await idsOf('runs', `status=${status}`)).to.deep.equal([status]);
    expect(await idsOf('runs', `owner=${encodeURIComponent(ODD_OWNER)}`)).to.deep.equal(['stuck']);
    expect(await idsOf('runs', 'action=crawl')).to.deep.equal(['slow']);
    expect(await idsOf('runs', 'action=crawl&status=pending')).to.deep.equal([]);
  });

  for (const list of ['runs', 'sessions'] as const) {
    it(`page through ${list}: the newest first, each exactly once, also while others are added`, async () => {
      const whole = (await page(list, 'limit=1000')).rows.map(({ id }) => id);
      const seen: string[] = [];
      let after = '';
      for (let number = 0; ; number += 1) {
        const { rows, next } = await page(list, `limit=3${after}`);
        expect(rows.length).to.be.at.most(3);
        seen.push(...rows.map(({ id }) => id));
        if (list === 'runs') {
          await registry.runs.create({ id: `new ${number}`, action: 'gather', params: {}, owner: `new ${number}` });
        } else await startSession(registry, { id: `new ${number}` });
        if (next === null) break;
        after = `&after=${encodeURIComponent(next)}`;
      }
      expect(seen).to.deep.equal(whole);
      if (list === 'sessions') await rawSql(url, `delete from sessions where id like 'new %'`);
      else await rawSql(url, `delete from runs where id like 'new %'`);
    });
  }

  it('are the same for HEAD as for GET but without a body, except for the stream', async () => {
    const { status, text } = await monitor.ask('/livez', { method: 'HEAD' });
    expect({ status, text }).to.deep.equal({ status: 200, text: '' });
    expect((await monitor.ask('/events', { method: 'HEAD' })).status).to.equal(404);
  });

  it('list in /alerts only firing alerts', async () => {
    const alert = { rule: 'planted', next: 'npm run runs', owner: ODD_OWNER, runId: 'stuck', sessionId: null } as const;
    await registry.alerts.raise({ ...alert, key: 'planted:stuck', severity: 'critical', message: 'It is stuck.' });
    await registry.alerts.raise({ ...alert, key: 'planted:other', severity: 'critical', message: 'It is stuck.' });
    await registry.alerts.end('planted:other', { status: 'recovered', message: 'It goes on.' });
    // The monitor also raises alerts itself.
    const ours = async () => (await get('/alerts')).alerts.filter(({ rule }: Row) => rule === 'planted');
    const [{ since, ...rest }, ...others] = await ours();
    expect(others).to.deep.equal([]);
    expect(since).to.match(ISO);
    expect(rest).to.deep.equal({
      key: 'planted:stuck',
      rule: 'planted',
      severity: 'critical',
      message: 'It is stuck.',
      next: 'npm run runs',
      owner: ODD_OWNER,
      run_id: 'stuck',
      session_id: null,
    });
    await registry.alerts.end('planted:stuck', { status: 'closed', message: 'It is over.' });
    expect(await ours()).to.deep.equal([]);
  });

  it('count in /timeline the events of the given minutes, and list each death', async () => {
    const { from, to, bucket_seconds: seconds, buckets, deaths } = await get('/timeline?minutes=10');
    expect(seconds).to.equal(10);
    expect(Date.parse(to) - Date.parse(from)).to.equal(600_000);
    expect(buckets).to.have.length(60);
    const sum = (name: string) => buckets.reduce((total: number, bucket: Row) => total + Number(bucket[name]), 0);
    const events = await rawSql(url, `select type, count(*) as number from events group by type`);
    const numberOf = (type: string) => Number(events.find((row) => row['type'] === type)?.['number'] ?? 0);
    expect({ started: sum('sessions_started'), deaths: sum('deaths'), timeouts: sum('timeouts') }).to.deep.equal({
      started: numberOf('session_started'),
      deaths: 1,
      timeouts: 1,
    });
    expect({ begun: sum('runs_started'), ended: sum('runs_ended') }).to.deep.equal({
      begun: numberOf('run_started'),
      ended: ENDED_RUNS.length,
    });
    const { at, ...death } = deaths[0];
    expect(deaths).to.have.length(1);
    expect(at).to.match(ISO);
    expect(death).to.deep.equal({
      owner: 'owner of dead',
      session_id: 'dead',
      run_id: null,
      cause: 'browser-gone',
      detected_by: 'devtools',
      message: 'the browser went away',
      diagnosis: DISK_FULL,
    });
  });

  it('have in /statistics the values of the registry’s metrics', async () => {
    const numbersOf = await registry.metrics.read();
    const statistics = await get('/statistics');
    expect(statistics).to.deep.include({
      sessions_by_status: numbersOf.sessionsByStatus,
      runs_by_status: numbersOf.runsByStatus,
      deaths: [{ cause: 'browser-gone', detected_by: 'devtools', reason: 'disk-full', number: 1 }],
      work_cancelled: numbersOf.workCancelled,
      steps_by_status: { done: 4, failed: 2, cancelled: 1, skipped: 1 },
      reuse_ratio: numbersOf.reuseRatio,
      cleanup_runs: 0,
      last_cleanup_at: null,
    });
    expect(statistics.sessions_created).to.equal(
      Object.values(numbersOf.sessionsCreated).reduce((sum, number) => sum + number, 0),
    );
    expect(statistics.registry_bytes).to.be.greaterThan(0);
  });
});

type Row = Readonly<Record<string, unknown>>;
