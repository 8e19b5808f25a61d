import { expect } from 'chai';
import { array, assert, integer, nat, property, tuple } from 'fast-check';

import type { StoredRun } from '../../src/model/run.ts';
import type { StoredSession } from '../../src/model/session.ts';
import { allowanceOf, findStuck, type StuckFacts } from '../../src/upkeep/upkeep.ts';
import { makeStoredRun, makeStoredSession } from '../support/stored-rows.ts';

const NOW = Date.parse('2026-01-01T12:00:00.000Z');
const MINUTE_MS = 60_000;
const THRESHOLDS = { warningMs: 15 * MINUTE_MS, timeoutMs: 30 * MINUTE_MS };

describe('findStuck', () => {
  const find = (facts: Partial<StuckFacts>) => findStuck({ runs: [], sessions: [], now: NOW, ...facts }, THRESHOLDS);
  const idsOf = ({ longRunning, stuck }: ReturnType<typeof find>) => ({
    longRunning: longRunning.map(({ runId, sessionId }) => runId ?? sessionId),
    stuck: stuck.map(({ runId, sessionId }) => runId ?? sessionId),
  });

  it('counts time without progress, not age (R205, R206)', () => {
    const old = { createdAt: ago(600), startedAt: ago(600) };
    const report = find({
      runs: [
        makeRun('young', { ...old, lastProgressAt: ago(14) }),
        makeRun('long', { ...old, lastProgressAt: ago(16) }),
        makeRun('stuck', { ...old, lastProgressAt: ago(31) }),
      ],
    });
    expect(idsOf(report)).to.deep.equal({ longRunning: ['stuck', 'long'], stuck: ['stuck'] });
  });

  it('uses the last command of a session without a run, and ignores sessions with a run', () => {
    const report = find({
      runs: [makeRun('run', { lastProgressAt: ago(1) }), makeRun('over', { status: 'completed' })],
      sessions: [
        makeSession('used by a run', { runId: 'run', lastUsedAt: ago(99) }),
        makeSession('alone', { lastUsedAt: ago(31) }),
        makeSession('kept', { runId: 'over', lastUsedAt: ago(40) }),
        makeSession('gone', { status: 'ended', lastUsedAt: ago(99) }),
        makeSession('fresh', { lastUsedAt: ago(2), createdAt: ago(99) }),
      ],
    });
    expect(idsOf(report).stuck).to.deep.equal(['kept', 'alone']);
    expect(report.processing).to.equal(1);
  });

  it('names the main session of a run, and lists a run once, however many sessions it has', () => {
    const report = find({
      runs: [makeRun('run', { lastProgressAt: ago(40), token: 7 })],
      sessions: [makeSession('slot', { runId: 'run', token: 8 }), makeSession('main', { runId: 'run', token: 7 })],
    });
    expect(report.processing).to.equal(2);
    expect(report.stuck).to.have.length(1);
    expect(report.stuck[0]).to.deep.include({ sessionId: 'main', runId: 'run', idleMs: 40 * MINUTE_MS });
  });

  it('allows up to three times as long for large runs, by the known units or by those that the action announces (R215)', () => {
    const counts = { total: 500, queued: 0, running: 0, done: 500, failed: 0, cancelled: 0, skipped: 0 };
    const display = { done: 1, total: 5_000 };
    const stuckAt = (minutes: number, run: Partial<StoredRun>) =>
      find({ runs: [makeRun('run', { lastProgressAt: ago(minutes), ...run })] }).stuck.length > 0;
    expect(stuckAt(31, {})).to.equal(true);
    expect(stuckAt(44, { counts })).to.equal(false);
    expect(stuckAt(46, { counts })).to.equal(true);
    expect(stuckAt(89, { display })).to.equal(false);
    expect(stuckAt(91, { display })).to.equal(true);
  });

  it('does not count the time in which the machine slept', () => {
    const runs = [
      makeRun('run', { lastProgressAt: ago(40), host: 'here' }),
      makeRun('other', { lastProgressAt: ago(40) }),
    ];
    const pausedMs = (host: string | null) => (host === 'here' ? 20 * MINUTE_MS : 0);
    expect(idsOf(find({ runs, pausedMs }))).to.deep.equal({ longRunning: ['other', 'run'], stuck: ['other'] });
  });

  it('counts no idle time if the clock is behind', () => {
    expect(find({ runs: [makeRun('run', { lastProgressAt: ago(-90) })] })).to.deep.include({
      longRunning: [],
      stuck: [],
    });
  });

  it('includes everything stuck in the long-running list, for any thresholds and any size', () => {
    const minutes = integer({ min: 0, max: 200 });
    assert(
      property(array(tuple(minutes, nat(9_999)), { maxLength: 10 }), (all) => {
        const runs = all.map(([idle, total], index) =>
          makeRun(`${index}`, { lastProgressAt: ago(idle), display: { done: 0, total } }),
        );
        const { longRunning, stuck } = idsOf(find({ runs }));
        expect(longRunning).to.include.members(stuck);
        for (const [index, [idle, total]] of all.entries())
          expect(stuck.includes(`${index}`)).to.equal(idle > 30 * allowanceOf(total));
      }),
    );
  });
});

function ago(minutes: number): string {
  return new Date(NOW - minutes * MINUTE_MS).toISOString();
}

function makeRun(id: string, parts: Partial<StoredRun> = {}): StoredRun {
  return makeStoredRun({ id, owner: id, createdAt: ago(0), startedAt: ago(0), lastProgressAt: ago(0), ...parts });
}

function makeSession(id: string, parts: Partial<StoredSession> = {}): StoredSession {
  return makeStoredSession({ id, owner: id, createdAt: ago(0), lastUsedAt: ago(0), ...parts });
}
