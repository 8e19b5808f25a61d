import { expect } from 'chai';
import { SessionDeathError } from 'webdriver-supervisor';

import { silentLog } from '../../../src/core/log.ts';
import type { RunStore, StepEnd } from '../../../src/registry/registry.ts';
import { CommandGuard } from '../../../src/runs/replay/command-guard.ts';
import { Ledger } from '../../../src/runs/replay/ledger.ts';
import { ReplayWatch } from '../../../src/runs/replay/replay-watch.ts';
import { RunState } from '../../../src/runs/state/run-state.ts';
import { OpenCalls } from '../../../src/runs/steps/open-calls.ts';
import { Steps } from '../../../src/runs/steps/steps.ts';
import { makeDeath } from '../../support/make-death.ts';
import { rejectionOf } from '../../support/rejection.ts';
import { openTestStore } from '../../support/run-store.ts';

interface SlowStore extends AsyncDisposable {
  readonly store: RunStore;
  readonly ends: StepEnd[];
  readonly asked: Promise<void>;
  readonly open: () => void;
}

/** A slow registry: writes are stored when the gate opens. */
async function openSlowStore(): Promise<SlowStore> {
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const ends: StepEnd[] = [];
  const memory = await openTestStore();
  const store: RunStore = {
    ...memory,
    endStep: async (id, end, order) => {
      asked.resolve();
      await gate.promise;
      ends.push(end);
      return memory.endStep(id, end, order);
    },
  };
  return { store, ends, asked: asked.promise, open: gate.resolve, [Symbol.asyncDispose]: memory[Symbol.asyncDispose] };
}

const death = new SessionDeathError(makeDeath());

function beginEntry(store: RunStore, ledger: Ledger): { steps: Steps; session: AbortController; run: AbortController } {
  const session = new AbortController();
  const run = new AbortController();
  ledger.beginPass();
  const options = { store, ledger, sessionSignal: session.signal, runSignal: run.signal, log: silentLog };
  const nothing = () => undefined;
  const callbacks = {
    onProgress: nothing,
    onDone: nothing,
    onBegin: nothing,
    onContextLoss: nothing,
    isSameSession: () => true,
  };
  const replay = new ReplayWatch({ ledger, sourceWarnings: [], log: silentLog });
  const guard = new CommandGuard(ledger, replay.divergence);
  const state = new RunState({
    parts: false,
    gate: guard.gate,
    file: undefined,
    userFile: undefined,
    userState: undefined,
    log: silentLog,
  });
  return {
    steps: new Steps({
      ...options,
      ...callbacks,
      maxRecordBytes: 1_000_000,
      replay,
      guard,
      state,
      calls: new OpenCalls(run.signal),
    }),
    session,
    run,
  };
}

describe('Steps: a running commit', () => {
  it('counts if the session dies meanwhile: the step is done, and the next entry gets its value', async () => {
    await using slow = await openSlowStore();
    const { store, ends, asked, open } = slow;
    const ledger = new Ledger();
    const first = beginEntry(store, ledger);
    let works = 0;
    const work = () => (works += 1);
    const rejection = rejectionOf(first.steps.step('a', work));
    await asked;
    first.session.abort(death);
    const closing = first.steps.close();
    expect(ledger.counts).to.include({ total: 1, running: 1 });
    open();
    await closing;
    expect(await rejection).to.equal(death);
    expect(ledger.counts).to.include({ total: 1, done: 1 });
    const second = beginEntry(store, ledger);
    expect(await second.steps.step('a', work)).to.equal(1);
    expect(works).to.equal(1);
    expect(ends).to.have.length(1);
  });

  it('counts if the run is cancelled meanwhile', async () => {
    await using slow = await openSlowStore();
    const { store, asked, open } = slow;
    const ledger = new Ledger();
    const { steps, run } = beginEntry(store, ledger);
    const rejection = rejectionOf(steps.step('a', () => 1));
    await asked;
    run.abort(new Error('cancelled'));
    const closing = steps.close();
    open();
    await closing;
    expect((await rejection).message).to.equal('cancelled');
    expect(ledger.counts).to.include({ total: 1, done: 1 });
  });

  it('counts if it stores a failure, and the death does not count against the step', async () => {
    await using slow = await openSlowStore();
    const { store, asked, open } = slow;
    const ledger = new Ledger();
    const { steps, session } = beginEntry(store, ledger);
    const failure = new Error('broken');
    const rejection = rejectionOf(
      steps.step('a', () => {
        throw failure;
      }),
    );
    await asked;
    session.abort(death);
    const closing = steps.close();
    open();
    await closing;
    expect(await rejection).to.equal(failure);
    expect(ledger.counts).to.include({ total: 1, failed: 1 });
    expect(await rejectionOf(beginEntry(store, ledger).steps.step('a', () => 1))).to.equal(failure);
  });

  it('leaves the step not done if it fails, and reports the reason', async () => {
    const broken = new Error('disk full');
    await using store = await openTestStore({ endStep: () => Promise.reject(broken) });
    const ledger = new Ledger();
    const { steps } = beginEntry(store, ledger);
    expect(await rejectionOf(steps.step('a', () => 1))).to.equal(broken);
    await steps.close();
    expect(ledger.counts).to.include({ total: 1, done: 0, failed: 0 });
  });

  it('ends before its entry of `run`, also for ctx.save', async () => {
    const gate = Promise.withResolvers<void>();
    await using store = await openTestStore({ saveRecord: () => gate.promise });
    const { steps } = beginEntry(store, new Ledger());
    const saving = steps.save({}, { key: 'a' });
    let isClosed = false;
    const closing = steps.close().then(() => (isClosed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).to.equal(false);
    gate.resolve();
    await Promise.all([saving, closing]);
  });
});
