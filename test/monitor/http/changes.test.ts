import { expect } from 'chai';

import type { Registry } from '../../../src/registry/registry.ts';
import { rawSql } from '../../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../../support/registries.ts';
import { useFilledMonitor } from '../support/filled-monitor.ts';
import { ENDED_RUNS } from '../support/filled-registry.ts';
import { TOKEN, type OpenedMonitor } from '../support/opened-monitor.ts';
import { ageRun, ageSession, startRun, startSession } from '../support/rows.ts';

describeOnSqliteAndInFullOnPostgres('Monitor: the routes that change something', (registries) => {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;

  const { opened } = useFilledMonitor(registries);
  before(() => {
    ({ url, registry, monitor } = opened());
  });

  const get = async (target: string) => (await monitor.ask(target)).json;

  it('end a live session, halt its run, and record that in rows and events', async () => {
    await startRun(registry, { id: 'to end' });
    const { status, json } = await monitor.post('/sessions/session%20of%20to%20end/end');
    expect({ status, json }).to.deep.equal({ status: 200, json: { id: 'session of to end', status: 'ended' } });
    expect(await registry.sessions.get('session of to end')).to.include({
      status: 'ended',
      errorMessage: 'ended by a person',
    });
    expect(await registry.runs.get('to end')).to.deep.include({
      status: 'halted',
      token: null,
      error: { code: 'session-ended', message: 'ended by a person' },
    });
    const events = await registry.events.listLatest({ limit: 2, types: ['session_ended', 'run_ended'] });
    expect(events.map(({ type }) => type)).to.deep.equal(['session_ended', 'run_ended']);
  });

  it('refuse to end a session twice, or one that does not exist', async () => {
    await startSession(registry, { id: 'to end twice' });
    expect((await monitor.post('/sessions/to%20end%20twice/end')).status).to.equal(200);
    const again = await monitor.post('/sessions/to%20end%20twice/end');
    expect({ status: again.status, code: again.json.error.code }).to.deep.equal({
      status: 409,
      code: 'already-over',
    });
    const missing = await monitor.post('/sessions/nobody/end');
    expect({ status: missing.status, code: missing.json.error.code }).to.deep.equal({
      status: 404,
      code: 'not-found',
    });
  });

  it('ask a processing run to end, and cancel a waiting one', async () => {
    await startRun(registry, { id: 'to cancel' });
    const working = await monitor.post('/runs/to%20cancel/cancel');
    expect(working.json).to.deep.equal({ id: 'to cancel', status: 'requested' });
    expect(await get('/runs/to%20cancel')).to.include({ status: 'processing', is_cancel_requested: true });
    const waiting = await monitor.post('/runs/pending%20too/cancel');
    expect(waiting.json).to.deep.equal({ id: 'pending too', status: 'cancelled' });
    expect(await get('/runs/pending%20too')).to.deep.include({
      status: 'cancelled',
      error: { code: 'cancelled', message: 'cancelled by a user' },
    });
    await monitor.post('/sessions/session%20of%20to%20cancel/end');
  });

  it('refuse to cancel a run that has ended, or one that does not exist', async () => {
    for (const status of ENDED_RUNS) {
      const answer = await monitor.post(`/runs/${status}/cancel`);
      expect({ status: answer.status, code: answer.json.error.code }).to.deep.equal({
        status: 409,
        code: 'already-over',
      });
      expect(await registry.runs.get(status)).to.include({ status });
    }
    expect((await monitor.post('/runs/nobody/cancel')).status).to.equal(404);
  });

  it('change nothing in a dry run of /reset-stuck, and report what would be reset', async () => {
    const rows = await rawSql(url, 'select id, status, ended_at from sessions order by id');
    const { status, json } = await monitor.post('/reset-stuck', { dry_run: true });
    expect(status).to.equal(200);
    const { stuck, ...rest } = json;
    expect(rest).to.deep.equal({
      dry_run: true,
      count: 3,
      runs: ['bare', 'stuck'],
      sessions: ['session of stuck', 'idle'],
    });
    expect(stuck).to.deep.equal((await get('/health/sessions/stuck')).stuck_sessions);
    expect(await rawSql(url, 'select id, status, ended_at from sessions order by id')).to.deep.equal(rows);
  });

  it('reset only the given ids of runs or sessions, and only if they are stuck', async () => {
    const { json } = await monitor.post('/reset-stuck', { ids: ['idle', 'session of working', 'slow', 'nobody'] });
    expect(json).to.deep.include({ dry_run: false, count: 1, runs: [], sessions: ['idle'] });
    expect(await registry.sessions.get('idle')).to.include({ status: 'timed_out' });
    expect(await registry.sessions.get('session of working')).to.include({ status: 'active' });
    expect(await registry.runs.get('slow')).to.include({ status: 'processing' });
    expect((await monitor.post('/reset-stuck', { ids: [] })).json).to.include({ count: 0 });
  });

  it('accept another timeout for one request', async () => {
    const { json } = await monitor.post('/reset-stuck', { dry_run: true, timeout_minutes: 40 });
    expect(json).to.deep.include({ runs: ['bare', 'stuck'], count: 2 });
    const shorter = await monitor.post('/reset-stuck', { dry_run: true, timeout_minutes: 16 });
    expect(shorter.json).to.deep.include({ runs: ['bare', 'stuck', 'slow'], count: 4 });
    expect((await get('/health/sessions')).thresholds).to.include({ timeout_minutes: 30 });
  });

  it('refuse unknown inputs of /reset-stuck, and reset nothing', async () => {
    const wrong: unknown[] = [
      { dryRun: true },
      { dry_run: 'yes' },
      { ids: 'stuck' },
      { ids: [''] },
      { timeout_minutes: -1 },
      { timeout_minutes: 1e300 },
      [],
      '{"dry_run":true',
    ];
    for (const body of wrong) {
      const { status, json } = await monitor.ask('/reset-stuck', {
        method: 'POST',
        token: TOKEN,
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(status, JSON.stringify(body)).to.equal(400);
      expect(json.error).to.have.all.keys('code', 'message');
    }
    const text = await monitor.ask('/reset-stuck', {
      method: 'POST',
      token: TOKEN,
      body: '{"dry_run":true}',
    });
    expect(text.status).to.equal(415);
    expect(await registry.runs.get('stuck')).to.include({ status: 'processing' });
  });

  it('reset all stuck work by default, keep its data, and count a run and a session as two', async () => {
    await startSession(registry, { id: 'idle too' });
    await ageSession(url, 'idle too', 35);
    await registry.runs.saveRecord('stuck', { kept: true }, { key: 'a' });
    await ageRun(url, 'stuck', 45);
    const { status, json } = await monitor.ask('/reset-stuck', {
      method: 'POST',
      token: TOKEN,
    });
    expect(status).to.equal(200);
    expect({ ...json, stuck: json.stuck.length }).to.deep.equal({
      dry_run: false,
      count: 3,
      runs: json.runs,
      sessions: json.sessions,
      stuck: 3,
    });
    expect(json.runs.toSorted()).to.deep.equal(['bare', 'stuck']);
    expect(json.sessions.toSorted()).to.deep.equal(['idle too', 'session of stuck']);
    const run = await get('/runs/stuck');
    expect(run).to.include({ status: 'timed_out', records: 1 });
    expect(run.error.code).to.equal('run-timed-out');
    expect(run.error.message).to.match(/^no progress for 45 min, and 30 min are allowed; timed out by a person$/);
    const events = await registry.events.listLatest({ limit: 20, types: ['session_timeout'] });
    expect(events.map(({ sessionId }) => sessionId)).to.include.members(['idle too', 'session of stuck']);
    expect(await get('/health/sessions/stuck')).to.deep.equal({ stuck_sessions: [], count: 0 });
  });
});
