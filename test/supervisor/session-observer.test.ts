import { expect } from 'chai';
import type { AcquireOptions, SessionManagerOptions, SuperviseOptions, SupervisorOptions } from 'webdriver-supervisor';

import type { ObservedOptions, SessionObserver, SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { kill, rejectionOf, startScripted, turn } from './support.ts';

const EVENTS = ['session:started', 'session:dead', 'session:ended'] as const;

interface Observed {
  supervisor?: SessionSupervisor;
  readonly seen: string[];
}

/** Returns an observer that notes its calls, with the state in which it finds the supervisor. */
function noteIn(observed: Observed): SessionObserver {
  const note = (name: string) => () => void observed.seen.push(`${name}: ${observed.supervisor?.state}`);
  return { onStarted: note('onStarted'), onDead: note('onDead'), onEnded: note('onEnded') };
}

describe('SessionSupervisor: the observer', () => {
  it('is called at the start, the death, the restart and the end, each time before the public event', async () => {
    const observed: Observed = { seen: [] };
    const options: ObservedOptions = { observer: noteIn(observed) };
    await using scripted = await startScripted(options);
    const { supervisor } = scripted;
    const { seen } = Object.assign(observed, { supervisor });
    for (const name of EVENTS) supervisor.on(name, () => seen.push(`${name}: ${supervisor.state}`));
    supervisor.signal.addEventListener('abort', () => seen.push('halt'));
    kill(supervisor);
    await supervisor.restart();
    await supervisor.stop();
    expect(seen).to.deep.equal([
      'onStarted: undefined',
      'halt',
      'onDead: dead',
      'session:dead: dead',
      'onStarted: alive',
      'session:started: alive',
      'onEnded: ended',
      'session:ended: ended',
    ]);
  });

  it('gets the started session and the death that the supervisor has', async () => {
    const sessions: unknown[] = [];
    const deaths: unknown[] = [];
    const options: ObservedOptions = {
      observer: {
        onStarted: ({ sessionId, pids, driverFolder }) => sessions.push({ sessionId, pids, driverFolder }),
        onDead: (death) => deaths.push(death),
      },
    };
    await using scripted = await startScripted(options);
    const { supervisor } = scripted;
    const { sessionId, pids } = supervisor;
    expect(sessions).to.deep.equal([{ sessionId, pids, driverFolder: undefined }]);
    kill(supervisor);
    kill(supervisor, 'a consequence');
    expect(deaths).to.have.length(1);
    expect(deaths[0]).to.equal(supervisor.health.death);
  });

  it('is called as before if listeners throw, reject, remove one another or restart the supervisor', async () => {
    const observed: Observed = { seen: [] };
    const options: ObservedOptions = { observer: noteIn(observed) };
    await using scripted = await startScripted(options);
    const { supervisor } = scripted;
    const { seen } = Object.assign(observed, { supervisor });
    const disposers: (() => void)[] = [];
    for (const name of EVENTS) {
      disposers.push(
        supervisor.on(name, () => {
          for (const dispose of disposers) dispose();
          throw new Error('a listener that throws');
        }),
        // oxlint-disable-next-line typescript/no-misused-promises -- users can do this
        supervisor.on(name, () => Promise.reject(new Error('a listener that rejects'))),
        supervisor.on(name, () => void supervisor.restart()),
      );
    }
    kill(supervisor);
    while (supervisor.epoch < 2) await turn();
    await supervisor.stop();
    expect(seen).to.deep.equal(['onStarted: undefined', 'onDead: dead', 'onStarted: alive', 'onEnded: ended']);
  });

  it('is not called for a session that could not be started', async () => {
    const seen: string[] = [];
    const options: ObservedOptions = { observer: noteIn({ seen }) };
    const refusal = { error: 'session not created', message: 'no such browser here' };
    await rejectionOf(startScripted(options, { answers: { 'POST /session': refusal } }));
    expect(seen).to.deep.equal([]);
  });

  it('is not an option of the public types', () => {
    type Public = keyof SupervisorOptions | keyof SuperviseOptions | keyof AcquireOptions | keyof SessionManagerOptions;
    const isPublic: 'observer' extends Public ? true : false = false;
    expect(isPublic).to.equal(false);
  });
});
