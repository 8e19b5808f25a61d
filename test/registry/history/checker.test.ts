import { expect } from 'chai';

import { checkHistory, LAST } from './checker.ts';
import { RUN, type Change, type Entry, type History, type RegistryState } from './history.ts';

const [A, B, LAST_PID] = [11, 12, 13];
const EXPECTED = ['{"key":"one"}', '{"key":"two"}'];
const COUNTS = { total: 2, queued: 0, running: 0, done: 2, failed: 0, cancelled: 0, skipped: 0, records: 2 };
const FINAL: RegistryState = {
  run: { status: 'completed', ...COUNTS },
  steps: [
    { step: 'one', status: 'done' },
    { step: 'two', status: 'done' },
  ],
  records: EXPECTED,
  events: [
    { type: 'session_starting', run: null, session: 's1', status: 'starting' },
    { type: 'session_started', run: null, session: 's1', status: 'active' },
    { type: 'run_started', run: RUN, session: null, status: 'processing' },
    { type: 'session_expired', run: null, session: 's1', status: 'expired' },
    { type: 'run_ended', run: RUN, session: null, status: 'halted' },
    { type: 'session_starting', run: null, session: 's2', status: 'starting' },
    { type: 'session_started', run: null, session: 's2', status: 'active' },
    { type: 'run_resumed', run: RUN, session: null, status: 'processing' },
    { type: 'run_ended', run: RUN, session: null, status: 'completed' },
    { type: 'session_ended', run: null, session: 's2', status: 'ended' },
  ],
};
const CHANGES: readonly Change[] = [
  { kind: 'claim', token: 1, session: 's1' },
  { kind: 'begin', token: 1, pid: A, number: 0 },
  { kind: 'commit', pid: A, before: 0, number: 1 },
  { kind: 'step', step: 'one', worker: A, pid: A },
  { kind: 'claim', token: 2, session: 's2' },
  { kind: 'begin', token: 2, pid: B, number: 1 },
  { kind: 'commit', pid: B, before: 1, number: 2 },
  { kind: 'step', step: 'two', worker: B, pid: B },
  { kind: 'commit', pid: B, before: 2, number: 3 },
];
const ENTRIES: readonly Entry[] = [
  { at: 0, by: 'a', kind: 'began', pid: A },
  { at: 1, by: 'a', kind: 'command', command: 'POST /session', session: undefined },
  { at: 2, by: 'a', kind: 'called', step: 'one' },
  { at: 3, by: 'a', kind: 'confirmed', step: 'one' },
  { at: 1_000, by: 'b', kind: 'began', pid: B },
  { at: 1_001, by: 'b', kind: 'command', command: 'POST /session', session: undefined },
  { at: 1_002, by: 'b', kind: 'called', step: 'two' },
  { at: 1_003, by: 'b', kind: 'confirmed', step: 'two' },
  { at: 1_004, by: 'b', kind: 'exported', lines: EXPECTED },
  { at: 1_005, by: 'b', kind: 'ended', status: 'completed', code: null, exitCode: 0 },
  { at: 2_000, by: 'a', kind: 'command', command: 'DELETE /session', session: 'w1' },
  { at: 2_001, by: 'a', kind: 'ended', status: 'halted', code: 'lease-lost', exitCode: 3 },
  { at: 3_000, by: LAST, kind: 'began', pid: LAST_PID },
  { at: 3_001, by: LAST, kind: 'exported', lines: EXPECTED },
  { at: 3_002, by: LAST, kind: 'ended', status: 'completed', code: null, exitCode: 0 },
];
const HISTORY: History = {
  expected: EXPECTED,
  entries: ENTRIES,
  changes: CHANGES,
  copies: [],
  final: FINAL,
  files: [EXPECTED],
};

/** Returns the fact that a copy at `commitNumber` replaced the registry while process A worked at commit 5. */
function restoredAt(at: number, commitNumber: number): Entry {
  const mark = { token: 1, writer: 'writer', pid: A };
  return {
    at,
    by: 'registry',
    kind: 'restored',
    before: { ...mark, commitNumber: 5 },
    after: { ...mark, commitNumber },
  };
}

function withEntries(...more: readonly Entry[]): Partial<History> {
  return { entries: [...ENTRIES, ...more].sort((one, other) => one.at - other.at) };
}

function endedAs(by: string, status: string, code: string | null, exitCode = 1): Partial<History> {
  const end: Entry = { at: 2_001, by, kind: 'ended', status, code, exitCode };
  return { entries: ENTRIES.map((entry) => (entry.kind === 'ended' && entry.by === by ? end : entry)) };
}

/** One violation each: the change of the history above, the promise that it breaks, and the expected message. */
const VIOLATIONS: readonly (readonly [string, Partial<History>, string, RegExp])[] = [
  [
    'a step that is stored after another process began',
    { changes: [...CHANGES, { kind: 'step', step: 'one', worker: A, pid: B }] },
    'one writer',
    /^one was stored by process 11 while the run was process 12's$/,
  ],
  [
    'a commit of a process after another one began',
    { changes: [...CHANGES, { kind: 'commit', pid: A, before: 3, number: 4 }] },
    'one writer',
    /^process 11 committed 4 while the run was process 12's$/,
  ],
  [
    'a begin under an older token',
    { changes: [...CHANGES, { kind: 'begin', token: 1, pid: A, number: 3 }] },
    'one writer',
    /^process 11 began under token 1 after token 2$/,
  ],
  [
    'a commit that jumps over others',
    { changes: [...CHANGES, { kind: 'commit', pid: B, before: 3, number: 9 }] },
    'no gap between commits',
    /^process 12 committed 9 after commit 3$/,
  ],
  [
    'a commit that jumps over those that a restore took away',
    { changes: [...CHANGES, { kind: 'restored' }, { kind: 'commit', pid: B, before: 1, number: 4 }] },
    'no gap between commits',
    /^process 12 committed 4 after commit 1$/,
  ],
  [
    'a step that is confirmed to a process that never stored it',
    withEntries({ at: 900, by: 'a', kind: 'confirmed', step: 'two' }),
    'what is confirmed is stored',
    /^two was confirmed to a, which never stored it$/,
  ],
  [
    'a confirmed step that is gone at the end',
    { final: { ...FINAL, steps: FINAL.steps.slice(0, 1), run: { ...FINAL.run, total: 1, done: 1 } } },
    'what is confirmed is stored',
    /^two was confirmed to b, and is not stored at the end$/,
  ],
  [
    'a file with a record missing at exit code 0',
    {
      entries: ENTRIES.map((entry) =>
        entry.kind === 'exported' && entry.by === 'b' ? { ...entry, lines: EXPECTED.slice(1) } : entry,
      ),
    },
    'exit 0 means the right data',
    /^b ended with exit code 0, and its file has not the records \{"key":"one"\}$/,
  ],
  [
    'a completed run with a record twice',
    {
      final: { ...FINAL, records: [...EXPECTED, EXPECTED[0]!], run: { ...FINAL.run, records: 3 } },
    },
    'exit 0 means the right data',
    /^the completed run has records twice/,
  ],
  [
    'records in another order',
    { final: { ...FINAL, records: EXPECTED.toReversed() } },
    'exit 0 means the right data',
    /^the completed run has another order of records$/,
  ],
  [
    'a file that another process wrote over after the run was completed',
    { files: [EXPECTED.slice(0, 1), EXPECTED] },
    'exit 0 means the right data',
    /^the file of the completed run has not the records \{"key":"two"\}$/,
  ],
  [
    'a column that does not equal the rows',
    { final: { ...FINAL, run: { ...FINAL.run, records: 3 } } },
    'counts equal the rows',
    /^the column records is 3 with 2 rows$/,
  ],
  [
    'a total that is not the sum of its parts, in a copy',
    { copies: [{ ...FINAL, run: { ...FINAL.run, status: 'processing', total: 5 } }] },
    'counts equal the rows',
    /^total is 5, and its parts are 2$/,
  ],
  [
    'a run whose end was recorded twice',
    {
      final: { ...FINAL, events: [...FINAL.events, { type: 'run_ended', run: RUN, session: null, status: 'failed' }] },
    },
    'one event per cause',
    /^run_ended \(failed\) was recorded again$/,
  ],
  [
    'a session whose start was recorded twice',
    {
      final: {
        ...FINAL,
        events: [...FINAL.events, { type: 'session_started', run: null, session: 's2', status: 'active' }],
      },
    },
    'one event per cause',
    /^session_started of session s2 was recorded 2 times$/,
  ],
  [
    'a session whose end was recorded in two ways',
    {
      final: {
        ...FINAL,
        events: [...FINAL.events, { type: 'session_dead', run: null, session: 's2', status: 'dead' }],
      },
    },
    'one event per cause',
    /^the end of session s2 was recorded 2 times$/,
  ],
  [
    'a token that is issued twice',
    { changes: [...CHANGES, { kind: 'claim', token: 2, session: 's3' }] },
    'a token is issued once',
    /^token 2 was issued to the sessions s2 and s3$/,
  ],
  [
    'a process that lost commits and completed',
    {
      entries: [...(endedAs('a', 'completed', null, 0).entries ?? []), restoredAt(500, 3)].sort((x, y) => x.at - y.at),
    },
    'lost commits are noticed',
    /^a lost commits 4 to 5, and ended as completed \(no error\)$/,
  ],
  [
    'a call after another process has begun a session',
    withEntries({ at: 1_500, by: 'a', kind: 'called', step: 'one' }),
    'one process sends',
    /^a sent the call for one for ann 499 ms after b had begun a session$/,
  ],
  [
    'a command after another process has begun a session',
    withEntries({ at: 1_500, by: 'a', kind: 'command', command: 'POST /url', session: 'w1' }),
    'one process sends',
    /^a sent POST \/url for ann 499 ms after b had begun a session$/,
  ],
  [
    'a process that hangs',
    withEntries({ at: 2_500, by: 'a', kind: 'hung' }),
    'the run can be finished',
    /^a did not end$/,
  ],
  [
    'a process that ends without an outcome',
    withEntries({ at: 2_500, by: 'c', kind: 'exited', exitCode: 1, signal: null }),
    'the run can be finished',
    /^c ended by exit code 1 without an outcome$/,
  ],
  [
    'a last process that can not complete the run',
    endedAs(LAST, 'failed', 'replay-diverged'),
    'the run can be finished',
    /^the last process ended with exit code 1: failed \(replay-diverged\)$/,
  ],
];

describe('The checker of histories', () => {
  it('finds nothing in a run that another process took over and completed', () => {
    expect(checkHistory(HISTORY)).to.deep.equal([]);
  });

  for (const [what, changed, promise, words] of VIOLATIONS) {
    it(`finds only ${what}`, () => {
      const violations = checkHistory({ ...HISTORY, ...changed });
      expect(violations.map((violation) => violation.promise)).to.deep.equal([promise]);
      expect(violations[0]?.what).to.match(words);
    });
  }

  it('allows a process that lost commits to end as diverged', () => {
    const ended = endedAs('a', 'failed', 'registry-diverged').entries ?? [];
    const entries = [...ended, restoredAt(500, 3)].sort((one, other) => one.at - other.at);
    expect(checkHistory({ ...HISTORY, entries })).to.deep.equal([]);
  });

  it('allows a restore that lost no commits', () => {
    expect(checkHistory({ ...HISTORY, ...withEntries(restoredAt(500, 5)) })).to.deep.equal([]);
  });

  it('allows one request that a process had begun when it was suspended, and no second one', () => {
    const woken: Entry = { at: 1_500, by: 'a', kind: 'fault', what: 'woken' };
    const first: Entry = { at: 1_510, by: 'a', kind: 'called', step: 'one' };
    const second: Entry = { at: 1_520, by: 'a', kind: 'called', step: 'two' };
    expect(checkHistory({ ...HISTORY, ...withEntries(woken, first) })).to.deep.equal([]);
    const violations = checkHistory({ ...HISTORY, ...withEntries(woken, first, second) });
    expect(violations.map(({ promise }) => promise)).to.deep.equal(['one process sends']);
  });

  it('allows a request that was sent before another process began, and the heartbeat and the end of a lost session', () => {
    const allowed = withEntries(
      { at: 1_050, by: 'a', kind: 'called', step: 'one' },
      { at: 1_500, by: 'a', kind: 'command', command: 'GET /window/handles', session: 'w1' },
      { at: 1_501, by: 'a', kind: 'command', command: 'DELETE /session', session: 'w1' },
    );
    expect(checkHistory({ ...HISTORY, ...allowed })).to.deep.equal([]);
  });
});
