import { expect } from 'chai';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';

import { AlertKeeper } from '../../../src/monitor/alerts/alert-keeper.ts';
import { readFacts, type OwnFacts } from '../../../src/monitor/alerts/facts.ts';
import { STUCK_RULES, type AlertLimits } from '../../../src/monitor/alerts/rules.ts';
import { lookForStuck, sweep, type SweeperOptions } from '../../../src/monitor/sweeper.ts';
import { openRegistry, type Registry, type StoredAlert } from '../../../src/registry/registry.ts';
import { literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../../support/registries.ts';
import { useEmptyRegistry } from '../support/empty-registry.ts';
import { makeRecordedLog } from '../support/notices.ts';
import { ageRun, ageSession, startRun, startSession } from '../support/rows.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const TOO_MUCH = 200;
const LIMITS: AlertLimits = {
  maxLongRunning: 10,
  maxMemoryBytes: 100,
  commandLine: (command, rest = '') => `${command} ${rest}`.trim(),
};

describeOnSqliteAndInFullOnPostgres('AlertKeeper', (registries) => {
  const empty = useEmptyRegistry(registries);
  let url: string;
  let registry: Registry;
  let sweeper: SweeperOptions;
  let lines: readonly string[];
  let keeper: AlertKeeper;
  let clock: SinonFakeTimers | undefined;

  beforeEach(() => {
    ({ url, registry } = empty);
    const recorded = makeRecordedLog();
    lines = recorded.lines;
    keeper = new AlertKeeper(LIMITS, recorded.log);
    sweeper = {
      host: 'here',
      gridUrl: undefined,
      thresholds: { warningMs: 15 * MINUTE_MS, timeoutMs: 30 * MINUTE_MS },
      heartbeatIntervalMs: 5_000,
      isAutoTimeoutEnabled: true,
      pausedSince: () => 0,
      log: recorded.log,
    };
  });

  afterEach(() => {
    clock?.restore();
    clock = undefined;
  });

  /** Checks the rules once, as a monitor does. */
  const look = async (own: Partial<OwnFacts> = {}, by = keeper, through = registry) => {
    const report = await lookForStuck(through, sweeper);
    await by.update(through, await readFacts(through, { report, memoryBytes: 0, overdue: [], ...own }));
  };
  const alertsOf = async (): Promise<readonly StoredAlert[]> => registry.alerts.list();
  const states = async () => Object.fromEntries((await alertsOf()).map(({ key, status }) => [key, status]));
  const eventsOf = async (...types: string[]) => {
    const rows = await rawSql(
      url,
      `select type, owner, session_id, run_id, message from events where type in (${types.map(literal).join(', ')}) order by id`,
    );
    return rows.map((row) => ({ ...row }));
  };
  const countOf = async (type: string) => (await eventsOf(type)).length;
  /** Fakes only the time. Timers and databases continue. */
  const fakeTime = () => (clock = useFakeTimers({ now: Date.now(), toFake: ['Date'] }));

  describe('raises', () => {
    it('an alert once, over many rounds of several monitors, with one event and one line in the log (R208)', async () => {
      await startRun(registry, { id: 'run', owner: 'ann' });
      await ageRun(url, 'run', 31);
      const second = await openRegistry(url);
      try {
        const other = new AlertKeeper(LIMITS, sweeper.log);
        for (let round = 0; round < 3; round += 1) await Promise.all([look(), look({}, other, second)]);
      } finally {
        await second.close();
      }
      expect(await states()).to.deep.equal({ 'stuck run': 'firing' });
      expect(await eventsOf('alert_firing')).to.deep.equal([
        {
          type: 'alert_firing',
          owner: 'ann',
          session_id: 'session of run',
          run_id: 'run',
          message: 'Run run of gather (owner "ann") is stuck: no progress for 31 min, and 30 min are allowed.',
        },
      ]);
      expect(await countOf('session_warning'), 'the warning, which comes before it is stuck').to.equal(0);
      expect(lines).to.have.length(1);
      expect(lines[0]).to.match(/^error: Alert stuck: Run run .* is stuck.*next=.?reset-stuck --execute/);
    });

    it('and ends no alerts of rules that are not checked', async () => {
      await startRun(registry, { id: 'run' });
      await ageRun(url, 'run', 31);
      await look();
      const report = { processing: 0, longRunning: [], stuck: [] };
      const facts = await readFacts(registry, { report, memoryBytes: 0, overdue: [] });
      await keeper.update(registry, facts, { leave: STUCK_RULES });
      expect(await states()).to.deep.equal({ 'stuck run': 'firing' });
      await keeper.update(registry, facts);
      expect(await states()).to.deep.equal({ 'stuck run': 'recovered' });
    });

    it('an alert with the current message and command, and with its first beginning', async () => {
      await startRun(registry, { id: 'run' });
      await ageRun(url, 'run', 16);
      await look();
      const [{ since, message }] = (await alertsOf()) as [StoredAlert];
      expect(message).to.contain('no progress for 16 min');
      await ageRun(url, 'run', 18);
      await look();
      const alerts = await alertsOf();
      expect(alerts).to.have.length(1);
      expect(alerts[0]).to.include({ since, status: 'firing', next: 'runs show run' });
      expect(alerts[0]!.message).to.contain('no progress for 18 min');
    });

    it('one event for the readers of a run each time that it stalls (R209, R213)', async () => {
      await startRun(registry, { id: 'run', owner: 'ann' });
      await ageRun(url, 'run', 16);
      for (let round = 0; round < 3; round += 1) await look();
      const warning = {
        type: 'session_warning',
        owner: 'ann',
        session_id: 'session of run',
        run_id: 'run',
        message: 'Run run of gather (owner "ann") may be stuck: no progress for 16 min, and 30 min are allowed.',
      };
      expect(await eventsOf('session_warning')).to.deep.equal([warning]);
      await registry.runs.setProgress('run', { done: 1, total: 2 });
      await look();
      await ageRun(url, 'run', 16);
      for (let round = 0; round < 3; round += 1) await look();
      expect(await eventsOf('session_warning')).to.deep.equal([warning, warning]);
    });

    it('the same event for a session without a run, with its id', async () => {
      await startSession(registry, { id: 'session', owner: 'ann' });
      await ageSession(url, 'session', 16);
      await look();
      await look();
      const events = await eventsOf('session_warning');
      expect(events).to.have.length(1);
      expect(events[0]).to.include({ owner: 'ann', session_id: 'session', run_id: null });
    });
  });

  describe('reports the recovery', () => {
    const stall = async () => {
      await startRun(registry, { id: 'run', owner: 'ann' });
      await ageRun(url, 'run', 16);
      await look();
    };

    it('of a run once, as soon as it makes progress (R208)', async () => {
      await stall();
      await registry.runs.setProgress('run', { done: 1, total: 2 });
      await look();
      await look();
      const message =
        'It is over: Run run of gather (owner "ann") may be stuck: no progress for 16 min, and 30 min are allowed.';
      expect(await states()).to.deep.equal({ 'long-running run': 'recovered' });
      expect(await eventsOf('alert_recovered')).to.deep.equal([
        { type: 'alert_recovered', owner: 'ann', session_id: 'session of run', run_id: 'run', message },
      ]);
      expect(lines.filter((line) => line.startsWith('Recovered from long-running'))).to.have.length(1);
    });

    for (const status of ['completed', 'partial'])
      it(`of a run as soon as it is ${status}`, async () => {
        await stall();
        await rawSql(url, `update runs set status = ${literal(status)}, token = null where id = 'run'`);
        await look();
        expect(await states()).to.deep.equal({ 'long-running run': 'recovered' });
      });

    it('of a session without a run as soon as it is used again', async () => {
      await startSession(registry, { id: 'session' });
      await ageSession(url, 'session', 16);
      await look();
      await registry.sessions.touch('session');
      await look();
      expect(await states()).to.deep.equal({ 'long-running session': 'recovered' });
    });

    it('once if two monitors see it', async () => {
      await stall();
      await registry.runs.setProgress('run', { done: 1, total: 2 });
      await Promise.all([look(), look({}, new AlertKeeper(LIMITS, sweeper.log))]);
      expect(await countOf('alert_recovered')).to.equal(1);
    });

    it('of a run that was timed out when it is resumed, and not when it is timed out (R205, R213)', async () => {
      const { token } = await startRun(registry, { id: 'run' });
      await ageRun(url, 'run', 31);
      await look();
      const [{ since }] = (await alertsOf()) as [StoredAlert];
      await sweep(registry, sweeper);
      await look();
      const alerts = await alertsOf();
      expect(alerts).to.have.length(1);
      expect(alerts[0]).to.include({ key: 'stuck run', status: 'firing', since, next: 'run gather --resume run' });
      expect(alerts[0]!.message).to.contain('was timed out');
      const process = { host: 'elsewhere', pid: 1, identity: 'two' };
      await registry.runs.begin('run', { token: (token ?? 0) + 1, process });
      await look();
      expect(await states()).to.deep.equal({ 'stuck run': 'recovered' });
    });
  });

  describe('closes without a notice', () => {
    const worse: Record<string, () => Promise<string>> = {
      'a run': async () => {
        await startRun(registry, { id: 'run' });
        await ageRun(url, 'run', 16);
        await look();
        await ageRun(url, 'run', 31);
        return 'run';
      },
      'a run whose session is gone since': async () => {
        await startRun(registry, { id: 'run' });
        await ageRun(url, 'run', 16);
        await look();
        await rawSql(url, "delete from sessions where run_id = 'run'");
        await ageRun(url, 'run', 31);
        return 'run';
      },
      'a run without a session': async () => {
        await startRun(registry, { id: 'run' });
        await rawSql(url, "delete from sessions where run_id = 'run'");
        await ageRun(url, 'run', 16);
        await look();
        await ageRun(url, 'run', 31);
        return 'run';
      },
      'a session without a run': async () => {
        await startSession(registry, { id: 'session' });
        await ageSession(url, 'session', 16);
        await look();
        await ageSession(url, 'session', 31);
        return 'session';
      },
    };
    for (const [name, make] of Object.entries(worse))
      it(`the warning of ${name} that is stuck now and has another alert`, async () => {
        const id = await make();
        await look();
        expect(await states()).to.deep.equal({ [`stuck ${id}`]: 'firing', [`long-running ${id}`]: 'closed' });
        expect(await countOf('alert_recovered')).to.equal(0);
      });

    const ends: Record<string, () => Promise<unknown>> = {
      'was removed': async () => {
        await rawSql(url, "update runs set token = null, status = 'completed' where id = 'run'");
        await registry.runs.remove('run');
      },
      'was cancelled': () => rawSql(url, "update runs set token = null, status = 'cancelled' where id = 'run'"),
      'has failed': () => rawSql(url, "update runs set token = null, status = 'failed' where id = 'run'"),
    };
    for (const [name, end] of Object.entries(ends))
      it(`the alert about a run that ${name}`, async () => {
        await startRun(registry, { id: 'run' });
        await ageRun(url, 'run', 16);
        await look();
        await end();
        await look();
        expect(await states()).to.deep.equal({ 'long-running run': 'closed' });
        expect(await countOf('alert_recovered')).to.equal(0);
        expect(lines.some((line) => line.startsWith('Recovered'))).to.equal(false);
      });

    it('the alert about a run or a session with a damaged row, and continues with the others (R514)', async () => {
      for (const id of ['damaged', 'whole']) {
        await startRun(registry, { id });
        await ageRun(url, id, 16);
        await startSession(registry, { id: `${id} session` });
        await ageSession(url, `${id} session`, 16);
      }
      await look();
      await rawSql(url, "update runs set params = 'no json' where id = 'damaged'");
      await rawSql(url, "update sessions set data = 'no json' where id = 'damaged session'");
      await registry.runs.setProgress('whole', { done: 1, total: 2 });
      await registry.sessions.touch('whole session');
      await look();
      expect(await states()).to.deep.equal({
        'long-running damaged': 'closed',
        'long-running damaged session': 'closed',
        'long-running whole': 'recovered',
        'long-running whole session': 'recovered',
      });
    });
  });

  describe('waits', () => {
    it('a minute before an alert about a metric ends, so that it does not flicker near its limit (R412)', async () => {
      const time = fakeTime();
      await look({ memoryBytes: TOO_MUCH });
      const [{ since }] = (await alertsOf()) as [StoredAlert];
      for (const memoryBytes of [0, 0, TOO_MUCH, 0, TOO_MUCH, 0, 0]) {
        time.tick(25_000);
        await look({ memoryBytes });
      }
      expect(await alertsOf()).to.have.length(1);
      expect((await alertsOf())[0]).to.include({ key: 'memory', status: 'firing', since });
      expect(await countOf('alert_firing')).to.equal(1);
      expect(await countOf('alert_recovered')).to.equal(0);
    });

    it('no longer than a minute (R412)', async () => {
      const time = fakeTime();
      await look({ memoryBytes: TOO_MUCH });
      await look();
      time.tick(59_999);
      await look();
      expect(await states()).to.deep.equal({ memory: 'firing' });
      time.tick(1);
      await look();
      expect(await states()).to.deep.equal({ memory: 'recovered' });
      expect(await countOf('alert_recovered')).to.equal(1);
      await look({ memoryBytes: TOO_MUCH });
      expect(await states()).to.deep.equal({ memory: 'firing' });
      expect(await countOf('alert_firing')).to.equal(2);
    });

    it('for an alert about a job of the monitor as for one about the whole registry', async () => {
      const time = fakeTime();
      await look({ overdue: [{ name: 'clean-up', byMs: 10 * MINUTE_MS }] });
      await look();
      expect(await states()).to.deep.equal({ 'scheduler-silent clean-up': 'firing' });
      time.tick(MINUTE_MS);
      await look();
      expect(await states()).to.deep.equal({ 'scheduler-silent clean-up': 'recovered' });
    });

    it('a day before it removes an ended alert, and never removes a firing one', async () => {
      const time = fakeTime();
      await startRun(registry, { id: 'run' });
      await ageRun(url, 'run', 16);
      await look({ memoryBytes: TOO_MUCH });
      await registry.runs.setProgress('run', { done: 1, total: 2 });
      await look({ memoryBytes: TOO_MUCH });
      expect(await states()).to.deep.equal({ memory: 'firing', 'long-running run': 'recovered' });
      await rawSql(url, "update runs set token = null, status = 'completed'");
      await rawSql(url, "update sessions set status = 'ended'");
      time.tick(24 * HOUR_MS);
      await look({ memoryBytes: TOO_MUCH });
      expect(await states()).to.deep.equal({ memory: 'firing', 'long-running run': 'recovered' });
      time.tick(1_000);
      await look({ memoryBytes: TOO_MUCH });
      expect(await states()).to.deep.equal({ memory: 'firing' });
    });
  });
});
