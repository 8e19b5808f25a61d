import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import {
  defineAction,
  runAction,
  SessionSupervisor,
  z,
  type Death,
  type SessionDeathError,
  type SupervisorOptions,
} from 'webdriver-supervisor';
import {
  controlDriver,
  openFaultSite,
  readDriverCommands,
  readDriverLog,
  writeRecordingDriver,
  type FaultSite,
} from 'webdriver-supervisor/testing';

import { findChromedriver } from '../support/real-driver.ts';
import { FAULTS, type Fault, type Victim } from './faults.ts';

const COMMAND_TIMEOUT_MS = 1_500;
/** The time in which a command that was sent before the declaration of the death may still arrive. */
const ON_THE_WIRE_MS = 50;
const LONG_INTERVAL_MS = 60_000;
/**
 * The moments at which each fault happens. CI does the whole row of one death and of one other fault, the whole column `idle`, and one further
 * moment of each other fault. FAULT_TABLE=all does every cell.
 */
const MOMENTS = ['one command', 'a batch', 'in prepare', 'while stopping'] as const;
const WHOLE_ROWS = ['browser-killed', 'connection cut in mid-body'];

function isTested(fault: Fault, moment: (typeof MOMENTS)[number]): boolean {
  const isThorough = process.env['FAULT_TABLE'] === 'all' || WHOLE_ROWS.includes(fault.name);
  return isThorough || FAULTS.indexOf(fault) % MOMENTS.length === MOMENTS.indexOf(moment);
}

describe('Fault table, on a real browser', () => {
  let folder: string;
  let log: string;
  let driverPath: string;
  let site: FaultSite;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'faults-'));
    log = path.join(folder, 'driver.log');
    driverPath = writeRecordingDriver({ folder, chromedriver: findChromedriver(), log });
    site = await openFaultSite();
  });

  after(async () => {
    await site.close();
    rmSync(folder, { recursive: true });
  });

  const options = ({ cause, detectedBy }: Fault): SupervisorOptions => ({
    driverPath,
    // A death that a connection reveals must not be found by the heartbeat, which can be faster on a busy machine.
    heartbeatIntervalMs: cause === null || detectedBy.includes('heartbeat') ? 300 : LONG_INTERVAL_MS,
    heartbeatTimeoutMs: 500,
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    capabilities: { timeouts: { script: 500, pageLoad: 20_000 } },
  });

  const victimOf = (supervisor: SessionSupervisor): Victim => {
    const remote = controlDriver(log);
    const started = readDriverLog(log).findLast((line) => line.event === 'started');
    const target = {
      pids: { driver: remote.driverPid, browser: supervisor.pids.browser },
      sessionId: supervisor.sessionId,
      endpointUrl: started!.driverUrl,
    };
    return { supervisor, remote, target };
  };

  const begin = async (
    fault: Fault,
  ): Promise<{
    supervisor: SessionSupervisor;
    victim: Victim;
    events: string[];
    died: Promise<Death>;
  }> => {
    const supervisor = await SessionSupervisor.start(options(fault));
    const events: string[] = [];
    const died = new Promise<Death>((resolve) => {
      supervisor.on('session:dead', ({ death }) => {
        events.push(`dead while ${supervisor.state}, halted: ${supervisor.shouldHaltOperations()}`);
        resolve(death);
      });
    });
    supervisor.on('work:cancelled', ({ queued, inFlight }) => events.push(`cancelled ${queued} + ${inFlight}`));
    supervisor.on('session:ended', () => events.push('ended'));
    await supervisor.driver.get(`${site.url}/ok`);
    return { supervisor, victim: victimOf(supervisor), events, died };
  };

  /** Expects that neither new nor earlier commands and requests reach a dead session. */
  const expectSilence = async (supervisor: SessionSupervisor, death: Death): Promise<void> => {
    const sessionId = supervisor.sessionId!;
    const refusals = await Promise.allSettled([
      supervisor.driver.getTitle(),
      supervisor.api.fetch(`${site.url}/json`),
      supervisor.driver.get(`${site.url}/ok`),
    ]);
    for (const refusal of refusals) {
      expect(refusal.status).to.equal('rejected');
      expect((refusal as PromiseRejectedResult).reason).to.equal(supervisor.signal.reason);
    }
    expect(death.cancelled.refused).to.equal(3);
    expect(supervisor.isSessionDeathCascade()).to.equal(true);
    await supervisor.stop();
    const late = readDriverCommands(log, sessionId).filter(
      ({ atEpochMs }) => atEpochMs > Date.parse(death.at) + ON_THE_WIRE_MS,
    );
    expect(late, 'commands after the death').to.deep.equal([]);
  };

  const expectDeath = (death: Death, fault: Fault): void => {
    expect(death.cause).to.equal(fault.cause);
    expect(fault.detectedBy).to.include(death.detectedBy);
    expect(death.epoch).to.equal(1);
    expect(death.evidence.url).to.contain('/ok');
    expect(death.evidence.lastCommands.join('\n')).to.contain('POST /session 200');
  };

  for (const fault of FAULTS) {
    const what = fault.cause ?? 'no death';

    it(`${fault.name} × idle: ${what} (R103)`, async () => {
      const { supervisor, victim, events, died } = await begin(fault);
      await using _supervisor = supervisor;
      await fault.strike(victim);
      const command = fault.hitsCommand ? supervisor.driver.getTitle() : undefined;
      if (fault.cause === null) {
        expect(await command!.catch((error: NodeJS.ErrnoException) => error.code)).to.equal(fault.code);
        expect(await supervisor.driver.getTitle()).to.equal('ok');
        expect(supervisor.state).to.equal('alive');
        return;
      }
      const death = await died;
      expectDeath(death, fault);
      expect(await command?.catch((error: unknown) => error)).to.equal(
        command === undefined ? undefined : supervisor.signal.reason,
      );
      expect(events[0]).to.equal('dead while dead, halted: true');
      await expectSilence(supervisor, death);
      expect(events.filter((event) => event.startsWith('dead'))).to.have.length(1);
    });

    if (isTested(fault, 'one command'))
      it(`${fault.name} × one command in flight: ${what} (R103)`, async () => {
        const { supervisor, victim, events, died } = await begin(fault);
        await using _supervisor = supervisor;
        if (fault.hitsCommand) await fault.strike(victim);
        // A slow load is in flight when the fault happens.
        const command = fault.hitsCommand
          ? supervisor.driver.getTitle()
          : supervisor.driver.get(`${site.url}/slow?ms=400`);
        const result = command.then(
          () => undefined,
          (error: unknown) => error,
        );
        if (!fault.hitsCommand) {
          await site.waitForRequest(/slow/);
          await fault.strike(victim);
        }
        if (fault.cause === null) {
          expect(await result).to.have.property('code', fault.code);
          expect(supervisor.state).to.equal('alive');
          return;
        }
        const death = await died;
        expect(death.cause).to.equal(fault.cause);
        expect(fault.detectedBy).to.include(death.detectedBy);
        // The driver quits a session for another client only after the load has succeeded.
        if (fault.name !== 'quit-elsewhere') {
          expect(await result).to.equal(supervisor.signal.reason);
          expect(events).to.deep.equal(['dead while dead, halted: true', 'cancelled 0 + 1']);
        }
        await result;
        await expectSilence(supervisor, death);
      });

    if (isTested(fault, 'a batch'))
      it(`${fault.name} × a batch queued and running: ${what} (R105, R110)`, async () => {
        const { supervisor, victim, events } = await begin(fault);
        await using _supervisor = supervisor;
        const items = Array.from({ length: 50 }, (_unused, index) => `item ${index}`);
        let worked = 0;
        const outcomePromise = supervisor.batch(
          items,
          async (item, { api, signal }) => {
            worked += 1;
            if (Number(item.slice(5)) < 10) return api.json(`${site.url}/json?n=1`);
            return api.json(`${site.url}/never`, { signal });
          },
          { key: (item) => item, concurrency: 5 },
        );
        await site.waitForRequest(/never/, { count: site.requestCount('/never') + 5 });
        await fault.strike(victim);
        const command = fault.hitsCommand ? supervisor.driver.getTitle().catch((error: unknown) => error) : undefined;
        if (fault.cause === null) {
          expect(await command).to.have.property('code', fault.code);
          expect(supervisor.state).to.equal('alive');
          await supervisor.stop();
          const { counts, stoppedBy } = await outcomePromise;
          expect(counts).to.deep.equal({ total: 50, done: 10, failed: 0, cancelled: 40, skipped: 0 });
          expect(stoppedBy).to.have.property('code', 'session-ended');
          return;
        }
        const outcome = await outcomePromise;
        await command;
        const { death } = supervisor.signal.reason as SessionDeathError;
        expectDeath(death, fault);
        expect(outcome.counts).to.deep.equal({ total: 50, done: 10, failed: 0, cancelled: 40, skipped: 0 });
        expect(outcome.results.map(({ key }) => key)).to.deep.equal(items);
        for (const result of outcome.results) {
          if (result.status === 'cancelled') expect(result.error).to.equal(supervisor.signal.reason);
        }
        expect(death.cancelled).to.include({ queued: 35, inFlight: 5 });
        expect(events).to.deep.equal(['dead while dead, halted: true', 'cancelled 35 + 5']);
        expect(worked).to.equal(15);
        await expectSilence(supervisor, death);
      });

    if (isTested(fault, 'in prepare'))
      it(`${fault.name} × in prepare: ${fault.cause === null ? 'the run fails' : `${what}, and a new session`} (R107)`, async () => {
        let prepared = 0;
        let supervisor: SessionSupervisor | undefined;
        const action = defineAction({
          name: 'dies-in-prepare',
          description: 'The fault hits its first session in prepare.',
          params: z.object({}),
          async prepare({ driver }) {
            await driver.get(`${site.url}/ok`);
            prepared += 1;
            if (prepared === 1) await fault.strike(victimOf(supervisor!));
            if (fault.hitsCommand) await driver.getTitle();
            else if (prepared === 1) await once(supervisor!.signal, 'abort');
          },
          async run({ driver, step }) {
            await step('title', () => driver.getTitle());
          },
        });
        const outcome = await runAction(
          action,
          {},
          {
            output: false,
            supervisor: options(fault),
            onSession: (started) => (supervisor = started),
          },
        );
        if (fault.cause === null) {
          expect(outcome).to.include({ status: 'failed', sessions: 1 });
          expect(outcome.counts.total).to.equal(0);
          return;
        }
        expect(outcome).to.include({ status: 'completed', sessions: 2, error: null });
        expect(outcome.counts).to.include({ total: 1, done: 1 });
        expect(outcome.deaths.map(({ cause }) => cause)).to.deep.equal([fault.cause]);
        expect(prepared).to.equal(2);
      });

    if (isTested(fault, 'while stopping'))
      it(`${fault.name} × while stopping: the stop ends, and nothing is left (R110)`, async () => {
        const { supervisor, victim } = await begin(fault);
        const command = fault.hitsCommand
          ? undefined
          : supervisor.driver.get(`${site.url}/slow?ms=300`).catch((error: unknown) => error);
        if (!fault.hitsCommand) await site.waitForRequest(/slow/);
        const stopping = supervisor.stop();
        await fault.strike(victim).catch(() => undefined);
        await stopping;
        await command;
        expect(['ended', 'dead']).to.include(supervisor.state);
        expect(supervisor.shouldHaltOperations()).to.equal(true);
        const refusal = await supervisor.driver.getTitle().catch((error: unknown) => error);
        expect(refusal).to.be.instanceOf(Error);
      });
  }
});
