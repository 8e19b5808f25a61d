import { expect } from 'chai';

import type { StoredRun } from '../../../src/model/run.ts';
import type { StoredSession } from '../../../src/model/session.ts';
import type { AlertFacts } from '../../../src/monitor/alerts/facts.ts';
import { ALERT_RULES, type Finding } from '../../../src/monitor/alerts/rules.ts';
import type { Idle } from '../../../src/upkeep/upkeep.ts';
import { makeStoredRun, makeStoredSession } from '../../support/stored-rows.ts';
import { makeDeath } from '../../support/make-death.ts';
import { LIMITS, makeRecentDeaths as deaths, QUIET } from './quiet-facts.ts';

const MINUTE_MS = 60_000;
const TIME = '2026-01-01T12:00:00.000Z';
interface Row {
  readonly rule: string;
  /** Facts within the limit; the last ones are exactly at it. */
  readonly within: readonly Partial<AlertFacts>[];
  /** Facts just beyond the limit. */
  readonly beyond: Partial<AlertFacts>;
  readonly severity: 'warning' | 'critical';
  /** All findings of these facts. */
  readonly found: Finding;
}

const TABLE: Readonly<Record<string, Row>> = {
  'a run that is stuck (R205)': {
    rule: 'stuck',
    within: [{ report: reportOf({ longRunning: [makeIdle()] }) }],
    beyond: { report: reportOf({ longRunning: [makeIdle(31)], stuck: [makeIdle(31)] }) },
    severity: 'critical',
    found: {
      subject: 'run-7',
      runId: 'run-7',
      sessionId: 'session-3',
      owner: 'ann',
      message: 'Run run-7 of gather (owner "ann") is stuck: no progress for 31 min, and 30 min are allowed.',
      next: 'npm run reset-stuck -- --execute',
    },
  },
  'a session without a run that is stuck (R205)': {
    rule: 'stuck',
    within: [{ report: reportOf({ longRunning: [makeIdle(16, { runId: null })] }) }],
    beyond: { report: reportOf({ stuck: [makeIdle(31, { runId: null, action: null })] }) },
    severity: 'critical',
    found: {
      subject: 'session-3',
      sessionId: 'session-3',
      owner: 'ann',
      message: 'The session of "ann" is stuck: no command for 31 min, and 30 min are allowed.',
      next: 'npm run reset-stuck -- --execute',
    },
  },
  'a run that was timed out (R205, R203)': {
    rule: 'stuck',
    within: [{ endedRuns: [makeRun({ status: 'halted' })] }],
    beyond: {
      endedRuns: [
        makeRun({
          status: 'timed_out',
          error: { code: 'run-timed-out', message: 'no progress for 31 min; timed out by the monitor on box.' },
        }),
      ],
    },
    severity: 'critical',
    found: {
      subject: 'run-7',
      runId: 'run-7',
      owner: 'ann',
      message:
        'Run run-7 of gather (owner "ann") was stuck and was timed out: no progress for 31 min; timed out by the monitor on box. 4 of 9 units and 12 records are stored.',
      next: 'npm run run -- gather --resume run-7',
    },
  },
  'a session without a run that was timed out (R205)': {
    rule: 'stuck',
    within: [],
    beyond: { timedOutSessions: [makeSession({ errorMessage: 'no command for 31 min; timed out by a person' })] },
    severity: 'critical',
    found: {
      subject: 'session-3',
      sessionId: 'session-3',
      owner: 'ann',
      message: 'The session of "ann" was stuck and was timed out: no command for 31 min; timed out by a person.',
      next: 'npm run sessions -- show session-3',
    },
  },
  'a run that may be stuck (R213)': {
    rule: 'long-running',
    within: [{ report: reportOf({ processing: 1 }) }],
    beyond: { report: reportOf({ longRunning: [makeIdle()] }) },
    severity: 'warning',
    found: {
      subject: 'run-7',
      runId: 'run-7',
      sessionId: 'session-3',
      owner: 'ann',
      message: 'Run run-7 of gather (owner "ann") may be stuck: no progress for 16 min, and 30 min are allowed.',
      next: 'npm run runs -- show run-7',
    },
  },
  'a session without a run that may be stuck (R213)': {
    rule: 'long-running',
    within: [],
    beyond: { report: reportOf({ longRunning: [makeIdle(16, { runId: null, action: null })] }) },
    severity: 'warning',
    found: {
      subject: 'session-3',
      sessionId: 'session-3',
      owner: 'ann',
      message: 'The session of "ann" may be stuck: no command for 16 min, and 30 min are allowed.',
      next: 'npm run sessions -- show session-3',
    },
  },
  'more than MAX_LONG_RUNNING_SESSIONS without progress (R206)': {
    rule: 'degradation',
    within: [{ report: reportOf({ longRunning: someIdle(1) }) }, { report: reportOf({ longRunning: someIdle(3) }) }],
    beyond: { report: reportOf({ longRunning: someIdle(4) }) },
    severity: 'critical',
    found: {
      subject: null,
      message:
        '4 runs or sessions make no progress. More than 3 at a time mean that a service that they use is slow or down.',
      next: 'npm run health',
    },
  },
  'a run that stopped because its sessions died too often': {
    rule: 'restart-limit',
    within: [{ endedRuns: [makeRun({ error: { code: 'session-dead', message: 'It died.' } })] }],
    beyond: {
      endedRuns: [
        makeRun({ error: { code: 'restart-limit', message: 'Sessions died more than 10 times within 10 minutes.' } }),
      ],
    },
    severity: 'critical',
    found: {
      subject: 'run-7',
      runId: 'run-7',
      owner: 'ann',
      message:
        'Run run-7 of gather (owner "ann") stopped because its sessions died too often. Sessions died more than 10 times within 10 minutes. 4 of 9 units and 12 records are stored.',
      next: 'npm run run -- gather --resume run-7',
    },
  },
  'a run whose process is gone': {
    rule: 'abandoned',
    within: [
      { endedRuns: [makeRun({ error: { code: 'session-dead', message: 'It died.' } })] },
      { endedRuns: [makeRun({ status: 'timed_out', error: { code: 'lease-lost', message: 'timed out' } })] },
    ],
    beyond: { endedRuns: [makeRun({ error: { code: 'lease-lost', message: 'its process (pid 7) is gone' } })] },
    severity: 'critical',
    found: {
      subject: 'run-7',
      runId: 'run-7',
      owner: 'ann',
      message:
        'Run run-7 of gather (owner "ann") lost its process or its session: its process (pid 7) is gone. 4 of 9 units and 12 records are stored.',
      next: 'npm run run -- gather --resume run-7',
    },
  },
  'more than ten deaths within ten minutes': {
    rule: 'death-rate',
    within: [{ recentDeaths: deaths('tab-crashed', 1) }, { recentDeaths: deaths('tab-crashed', 10) }],
    beyond: { recentDeaths: [...deaths('tab-crashed', 5), ...deaths('driver-exited', 6)] },
    severity: 'warning',
    found: {
      subject: null,
      message: '11 sessions died within 10 min. The most frequent cause is driver-exited (6).',
      next: 'npm run metrics',
    },
  },
  'more than 5 % failed clean-ups (R412)': {
    rule: 'cleanup-failures',
    within: [{ cleanups: { runs: 96, failures: 0 } }, { cleanups: { runs: 20, failures: 1 } }],
    beyond: { cleanups: { runs: 19, failures: 1 } },
    severity: 'warning',
    found: {
      subject: null,
      message: "1 of the 19 clean-ups of the last day failed. The monitor's log and the events contain the reasons.",
      next: 'npm run sessions -- cleanup',
    },
  },
  'more memory than SESSION_MAX_MEMORY_MB (R412)': {
    rule: 'memory',
    within: [{ memoryBytes: 1 }, { memoryBytes: 100_000_000 }],
    beyond: { memoryBytes: 100_600_000 },
    severity: 'warning',
    found: {
      subject: null,
      message: "The monitor's own data take 101 MB, more than SESSION_MAX_MEMORY_MB allows (100).",
      next: 'npm run sessions -- cleanup --execute',
    },
  },
  'more than 1 000 active sessions (R412)': {
    rule: 'active-sessions',
    within: [{ activeSessions: 999 }, { activeSessions: 1_000 }],
    beyond: { activeSessions: 1_001 },
    severity: 'warning',
    found: { subject: null, message: '1001 sessions are active, more than 1000.', next: 'npm run sessions' },
  },
  'a job of the monitor that is overdue by more than five minutes (R412)': {
    rule: 'scheduler-silent',
    within: [{ overdue: [{ name: 'clean-up', byMs: 0 }] }, { overdue: [{ name: 'clean-up', byMs: 5 * MINUTE_MS }] }],
    beyond: {
      overdue: [
        { name: 'check for stuck work', byMs: 5 * MINUTE_MS },
        { name: 'clean-up', byMs: 5 * MINUTE_MS + 1 },
      ],
    },
    severity: 'critical',
    found: {
      subject: 'clean-up',
      message: "The monitor's clean-up is overdue by 5 min. The monitor's log contains the reason.",
      next: 'npm run health',
    },
  },
  'less than 90 % reuse, of 20 units of work or more (R306)': {
    rule: 'reuse-ratio',
    within: [
      { reuseRatio: null, unitsOfWork: 0 },
      { reuseRatio: 0, unitsOfWork: 19 },
      { reuseRatio: 0.95, unitsOfWork: 1_000 },
      { reuseRatio: 18 / 20, unitsOfWork: 20 },
    ],
    beyond: { reuseRatio: 17 / 20, unitsOfWork: 20 },
    severity: 'warning',
    found: {
      subject: null,
      message:
        'Only 85 % of the work was done on an existing session. Pass sessions down instead of starting new ones.',
      next: 'npm run metrics',
    },
  },
  'a second session of an owner within 10 s (R306)': {
    rule: 'rapid-creates',
    within: [{ recentRapidCreates: [] }],
    beyond: { recentRapidCreates: ['ann'] },
    severity: 'warning',
    found: {
      subject: null,
      message: 'Sessions of one owner were started in quick succession, once within 10 min (ann).',
      next: 'npm run metrics',
    },
  },
  'wrong tokens that were reported': {
    rule: 'wrong-tokens',
    within: [{ wrongTokenClients: [] }],
    beyond: { wrongTokenClients: ['10.0.0.1', '10.0.0.2', '10.0.0.1', '10.0.0.3', '10.0.0.4'] },
    severity: 'warning',
    found: {
      subject: null,
      message:
        "The monitor's token is perhaps being guessed: 10 or more wrong tokens came within 10 min, some of them from 10.0.0.1, 10.0.0.2, 10.0.0.3 and 1 more. If that is one of your programs, give it the right MONITOR_TOKEN.",
      next: 'npm run health',
    },
  },
};

describe('ALERT_RULES', () => {
  for (const [name, { rule, within, beyond, severity, found }] of Object.entries(TABLE))
    it(`${rule}: finds ${name}, with the cause and the command to type next, and nothing within the limit`, () => {
      for (const facts of within) expect(find(rule, facts), JSON.stringify(facts)).to.deep.equal([]);
      expect(find(rule, beyond)).to.deep.equal([found]);
      expect(ruleOf(rule).severity).to.equal(severity);
    });

  it('have unique names, each with a row in the table above', () => {
    const names = ALERT_RULES.map(({ name }) => name);
    expect(new Set(names)).to.have.property('size', names.length);
    expect(new Set(Object.values(TABLE).map(({ rule }) => rule))).to.deep.equal(new Set(names));
  });

  it('find nothing if there is no problem', () => {
    for (const { name, find: look } of ALERT_RULES) expect(look(QUIET, LIMITS), name).to.deep.equal([]);
  });

  it('find stuck work once, not also as work that may be stuck', () => {
    const stuck = [makeIdle(31), makeIdle(40, { runId: null })];
    // A second report has other objects for the same work.
    const longRunning = [...stuck.map((idle) => ({ ...idle })), makeIdle(16, { runId: 'run-8', sessionId: null })];
    const facts = { report: reportOf({ longRunning, stuck }) };
    expect(find('stuck', facts).map(({ subject }) => subject)).to.deep.equal(['run-7', 'session-3']);
    expect(find('long-running', facts).map(({ subject }) => subject)).to.deep.equal(['run-8']);
  });

  it('name three owners of many, each once', () => {
    const facts = { recentRapidCreates: ['ann', 'bob', 'ann', 'cid', 'dan', 'eve'] };
    expect(find('rapid-creates', facts)[0]!.message).to.match(/6 times within 10 min \(ann, bob, cid and 2 more\)\.$/);
  });

  it('round a percentage down, so that it does not look like the limit', () => {
    const [{ message } = { message: '' }] = find('reuse-ratio', { reuseRatio: 0.8999, unitsOfWork: 10_000 });
    expect(message).to.match(/^Only 89 %/);
  });

  it('resume a run of a file by that file, with a placeholder for each parameter that is not stored', () => {
    const options = { target: 'my actions/shop.ts', hidden: ['password', 'apiKey'] };
    const [{ next } = { next: '' }] = find('stuck', { endedRuns: [makeRun({ status: 'timed_out', options })] });
    expect(next).to.equal("npm run run -- 'my actions/shop.ts' --resume run-7 --password … --api-key …");
  });

  it('show no parameters of a run or a session (R411)', () => {
    const secret = 'planted';
    const run = {
      params: { password: secret },
      options: { output: secret, hidden: ['password'] },
      outputs: { records: secret },
      deaths: [makeDeath({ evidence: { message: secret, url: secret, lastCommands: [secret] } })],
      display: { done: 1, total: 2, label: secret },
      host: secret,
    };
    const session = { endpoint: secret, folder: secret, webdriverId: secret, data: { token: secret }, label: secret };
    const facts: AlertFacts = {
      ...QUIET,
      endedRuns: [
        makeRun({ ...run, status: 'timed_out' }),
        makeRun({ ...run, error: { code: 'restart-limit', message: 'often' } }),
        makeRun({ ...run, error: { code: 'lease-lost', message: 'gone' } }),
      ],
      timedOutSessions: [makeSession(session)],
    };
    const found = ALERT_RULES.flatMap(({ find: look }) => look(facts, LIMITS));
    expect(found).to.have.length(4);
    expect(JSON.stringify(found)).to.not.contain(secret);
  });
});

function ruleOf(name: string) {
  const rule = ALERT_RULES.find((one) => one.name === name);
  if (rule === undefined) throw new Error(`There is no rule ${name}.`);
  return rule;
}

function find(name: string, facts: Partial<AlertFacts>): readonly Finding[] {
  return ruleOf(name).find({ ...QUIET, ...facts }, LIMITS);
}

function reportOf(parts: Partial<AlertFacts['report']>): AlertFacts['report'] {
  return { ...QUIET.report, ...parts };
}

function makeIdle(minutes = 16, parts: Partial<Idle> = {}): Idle {
  return {
    sessionId: 'session-3',
    runId: 'run-7',
    action: 'gather',
    owner: 'ann',
    host: 'box',
    pid: 1,
    createdAt: TIME,
    lastProgressAt: TIME,
    idleMs: minutes * MINUTE_MS,
    allowedMs: 30 * MINUTE_MS,
    ...parts,
  };
}

function someIdle(count: number): Idle[] {
  return Array.from({ length: count }, (_unused, index) => makeIdle(16, { runId: `run-${index}` }));
}

function makeRun(parts: Partial<StoredRun> = {}): StoredRun {
  const counts = { total: 9, queued: 0, running: 0, done: 4, failed: 0, cancelled: 5, skipped: 0 };
  return makeStoredRun({ status: 'halted', token: null, counts, records: 12, endedAt: TIME, ...parts });
}

function makeSession(parts: Partial<StoredSession> = {}): StoredSession {
  return makeStoredSession({ status: 'timed_out', endedAt: TIME, ...parts });
}
