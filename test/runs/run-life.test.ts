import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { spy, useFakeTimers } from 'sinon';
import { CancelledError, defineAction, runAction, z, type PrepareContext } from 'webdriver-supervisor';
import { openFaultSite, openScriptedWebDriver } from 'webdriver-supervisor/testing';
import { exitCodeOf } from '../../src/runs/runs.ts';
import { rejectionOf } from '../support/rejection.ts';
import { makeTestConfig, runScripted } from '../support/scripted-run.ts';

describe('Run: prepare', () => {
  it('runs on every new session, before `run`', async () => {
    const calls: string[] = [];
    await runScripted({
      prepare: ({ session }) => void calls.push(`prepare ${session.epoch}`),
      run: async ({ session }, { entry, die }) => {
        calls.push(`run ${session.epoch}`);
        if (entry === 1) await die();
      },
    });
    expect(calls).to.deep.equal(['prepare 1', 'run 1', 'prepare 2', 'run 2']);
  });

  it('has no step, no save and no batch', async () => {
    let seen: PrepareContext | undefined;
    await runScripted({ prepare: (context) => void (seen = context), run: () => undefined });
    expect(Object.keys(seen!)).to.have.members([
      'driver',
      'api',
      'params',
      'signal',
      'log',
      'runId',
      'session',
      'folder',
      'screenshot',
    ]);
  });

  it('fails the run if it throws, and `run` is not entered', async () => {
    const { outcome, entries, left } = await runScripted({
      prepare: () => {
        throw new Error('no login');
      },
      run: () => undefined,
    });
    expect(entries).to.equal(0);
    expect(outcome).to.include({ status: 'failed', sessions: 1 });
    expect(outcome.error?.message).to.equal('no login');
    expect(left).to.equal(0);
  });

  it('fails the run also if it throws only after a restart', async () => {
    const { outcome, entries } = await runScripted({
      prepare: ({ session }) => {
        if (session.epoch === 2) throw new Error('locked out');
      },
      run: (_context, { die }) => die(),
    });
    expect(entries).to.equal(1);
    expect(outcome).to.include({ status: 'failed', sessions: 2 });
    expect(outcome.error?.message).to.equal('locked out');
  });

  it('is entered again on a new session if its session dies, also if it catches the death or throws another error', async () => {
    const { outcome, entries } = await runScripted({
      prepare: async ({ session }, { die }) => {
        if (session.epoch > 2) return;
        await die();
        if (session.epoch === 2) throw new Error('a symptom');
      },
      run: () => undefined,
    });
    expect(entries).to.equal(1);
    expect(outcome).to.include({ status: 'completed', sessions: 3, error: null });
    expect(outcome.counts.total).to.equal(0);
  });
});

describe('Run: cancel by its signal', () => {
  const cancelled = (outcome: { status: string }) => {
    expect(outcome).to.include({ status: 'cancelled' });
    expect(exitCodeOf(outcome as never)).to.equal(130);
  };

  it('is cancelled before it starts a session if its signal is already aborted', async () => {
    await using server = await openScriptedWebDriver();
    await using site = await openFaultSite();
    const { outcome, entries } = await runScripted({
      server,
      baseUrl: `${site.url}/ok`,
      options: { signal: AbortSignal.abort() },
      run: () => undefined,
    });
    cancelled(outcome);
    expect(entries).to.equal(0);
    expect(server.requests).to.deep.equal([]);
  });

  it('is cancelled while its first session starts', async () => {
    await using server = await openScriptedWebDriver();
    const stop = new AbortController();
    using hold = server.hold('POST /session');
    // The run waits for the late session, and ends it.
    void hold.caught.then(() => {
      stop.abort();
      hold.release();
    });
    const { outcome, entries, code } = await runScripted({
      server,
      options: { signal: stop.signal },
      run: () => undefined,
    });
    cancelled(outcome);
    expect(code).to.equal('cancelled');
    expect(entries).to.equal(0);
  });

  it('is cancelled in prepare', async () => {
    const stop = new AbortController();
    const { outcome, entries, left } = await runScripted({
      options: { signal: stop.signal },
      prepare: async ({ signal }) => {
        setImmediate(() => stop.abort());
        await once(signal, 'abort');
      },
      run: () => undefined,
    });
    cancelled(outcome);
    expect(entries).to.equal(0);
    expect(left).to.equal(0);
  });

  it('is cancelled while it waits to start the next session', async () => {
    const stop = new AbortController();
    const { outcome } = await runScripted({
      options: { signal: stop.signal, onDeath: ({ epoch }) => epoch === 2 && setImmediate(() => stop.abort()) },
      run: (_context, { die }) => die(),
    });
    cancelled(outcome);
    expect(outcome).to.include({ sessions: 2 });
  });

  it('stores finished work, cancels the rest, and passes the reason on (R110)', async () => {
    const stop = new AbortController();
    const reason = new CancelledError('enough');
    const received: unknown[] = [];
    const { outcome } = await runScripted({
      options: { signal: stop.signal },
      run: async ({ step, batch, save, signal }) => {
        await save({ n: 0 }, { key: 'saved' });
        await step('done', ({ save: saveRecord }) => saveRecord({ n: 1 }, { key: 'done' }));
        const settled = batch(
          'b',
          ['running', 'queued'],
          async (item, { save: saveRecord }) => {
            saveRecord({ n: 2 }, { key: item });
            stop.abort(reason);
            return 'caught';
          },
          { key: (item) => item, concurrency: 1 },
        );
        received.push(await rejectionOf(settled), signal.reason, await rejectionOf(step('late', () => 1)));
      },
    });
    cancelled(outcome);
    expect(received).to.deep.equal([reason, reason, reason]);
    expect(outcome.error).to.deep.equal({ code: 'cancelled', message: 'enough' });
    expect(outcome).to.include({ records: 2 });
    expect(outcome.counts).to.deep.equal({ total: 3, done: 1, failed: 0, cancelled: 2, skipped: 0 });
  });

  it('accepts a reason that is not an error of the library, and no reason', async () => {
    for (const reason of [undefined, 'because', new Error('mine')]) {
      const stop = new AbortController();
      const { outcome, code } = await runScripted({
        options: { signal: stop.signal },
        run: async ({ signal }) => {
          stop.abort(reason);
          signal.throwIfAborted();
        },
      });
      cancelled(outcome);
      expect(code).to.equal('cancelled');
    }
  });

  it('abandons code that ignores its signal with a warning, and drops its later results', async () => {
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const stop = new AbortController();
      const hang = Promise.withResolvers<void>();
      let late: Promise<Error> | undefined;
      const running = runScripted({
        options: { signal: stop.signal },
        run: async ({ step, progress }) => {
          await step('done', () => 1);
          setImmediate(() => {
            stop.abort();
            setImmediate(() => void clock.tickAsync(5_000));
          });
          await hang.promise;
          late = rejectionOf((async () => progress(1, 1))());
          await late;
          late = rejectionOf(step('late', () => 1));
          await late;
        },
      });
      const { outcome, warnings, left } = await running;
      cancelled(outcome);
      expect(warnings.map(({ message }) => message).join()).to.contain('`run` did not stop when its `signal` aborted');
      expect(left).to.equal(0);
      hang.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      expect(await late).to.be.instanceOf(CancelledError);
      expect(outcome.counts).to.deep.equal({ total: 1, done: 1, failed: 0, cancelled: 0, skipped: 0 });
    } finally {
      clock.restore();
    }
  });

  it('removes its listener from the caller’s signal at its end', async () => {
    const stop = new AbortController();
    const added = spy(stop.signal, 'addEventListener');
    const removed = spy(stop.signal, 'removeEventListener');
    await runScripted({ options: { signal: stop.signal }, run: () => undefined });
    expect(removed.callCount).to.equal(added.callCount);
    expect(added.callCount).to.be.at.least(1);
  });
});

describe('Run: critical API failures (R106)', () => {
  for (const [status, code] of [
    [500, 'api-outage'],
    [429, 'rate-limited'],
    [401, 'auth-expired'],
  ] as const) {
    it(`fails with code ${code} after many answers of ${status}, also if the action catches them`, async () => {
      await using site = await openFaultSite();
      const { outcome, code: received } = await runScripted({
        options: { supervisor: { apiRetries: 0, criticalFailureThreshold: 3 } },
        run: async ({ api, step }) => {
          await step('catches', async () => {
            for (let call = 0; call < 5; call += 1)
              await api.fetch(`${site.url}/status/${status}`).catch(() => undefined);
          });
        },
      });
      expect(outcome).to.include({ status: 'failed' });
      expect(received).to.equal(code);
      expect(exitCodeOf(outcome)).to.equal(1);
      expect(site.requestCount(`/status/${status}`)).to.equal(3);
    });
  }

  it('stops a batch whose API has an outage, and cancels queued items', async () => {
    await using site = await openFaultSite();
    const items = Array.from({ length: 20 }, (_unused, index) => String(index));
    const { outcome, code } = await runScripted({
      options: { supervisor: { apiRetries: 0, criticalFailureThreshold: 3 } },
      run: async ({ batch }) => {
        await batch('b', items, (_item, { api }) => api.json(`${site.url}/status/503`), {
          key: (item) => item,
          concurrency: 1,
        });
      },
    });
    expect(code).to.equal('api-outage');
    expect(outcome.counts).to.deep.equal({ total: 20, done: 0, failed: 3, cancelled: 17, skipped: 0 });
  });
});

describe('Run: the context', () => {
  it('may be destructured, and its driver belongs to the session of this entry of `run`', async () => {
    const drivers: unknown[] = [];
    let stale: Error | undefined;
    await runScripted({
      run: async ({ driver, session, api, params, log, runId, signal }, { entry, die, supervisors }) => {
        expect(driver).to.equal(supervisors[0]?.driver);
        expect(session.id).to.equal(supervisors[0]?.sessionId);
        expect(session.epoch).to.equal(entry);
        expect([typeof api.fetch, params, typeof log.info, typeof runId, signal.aborted]).to.deep.equal([
          'function',
          {},
          'function',
          'string',
          false,
        ]);
        drivers.push(driver);
        if (entry === 1) await die();
        else stale = await rejectionOf((drivers[0] as typeof driver).getTitle());
      },
    });
    expect(drivers[0]).to.not.equal(drivers[1]);
    expect(stale).to.have.property('code', 'session-dead');
  });

  it('writes screenshots into the folder of the run, for every name', async () => {
    const output = mkdtempSync(path.join(tmpdir(), 'run-'));
    try {
      const files: string[] = [];
      await runScripted({
        options: { output },
        run: async ({ screenshot }) => {
          files.push(await screenshot('front page'), await screenshot('../../escape'));
        },
      });
      expect(files).to.deep.equal(
        ['front-page.png', 'escape.png'].map((name) => path.join(output, 'screenshots', name)),
      );
      expect(files.every((file) => existsSync(file))).to.equal(true);
      expect(readFileSync(files[0]!).subarray(1, 4).toString()).to.equal('PNG');
    } finally {
      rmSync(output, { recursive: true });
    }
  });

  it('has the absolute path of the output folder', async () => {
    const output = mkdtempSync(path.join(tmpdir(), 'run-'));
    try {
      let seen: string | undefined;
      await runScripted({ options: { output }, run: ({ folder }) => void (seen = folder) });
      expect(seen).to.equal(output);
    } finally {
      rmSync(output, { recursive: true });
    }
  });

  it('creates the folder of a run without output files only if the action reads `folder`', async () => {
    const { outcome: unread } = await runScripted({ run: () => undefined });
    expect(existsSync(path.join('output', unread.runId))).to.equal(false);
    let seen = '';
    const { outcome } = await runScripted({
      prepare: ({ folder }) => void (seen = folder),
      run: ({ folder }) => void expect(statSync(folder).isDirectory()).to.equal(true),
    });
    expect(seen).to.equal(path.resolve('output', outcome.runId));
    rmSync(seen, { recursive: true });
  });

  it('has the parsed parameters with their defaults', async () => {
    await using server = await openScriptedWebDriver();
    let seen: unknown;
    const action = defineAction({
      name: 'with-params',
      description: 'Takes parameters.',
      params: z.object({ max: z.coerce.number(), name: z.string().default('x') }),
      run: ({ params }) => void (seen = params),
    });
    await runAction(
      action,
      { max: '7' },
      { output: false, config: makeTestConfig(), supervisor: { gridUrl: server.url } },
    );
    expect(seen).to.deep.equal({ max: 7, name: 'x' });
  });
});
