import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { spy } from 'sinon';
import { CancelledError, ConfigError, type Death } from 'webdriver-supervisor';
import { openFaultSite, openScriptedWebDriver } from 'webdriver-supervisor/testing';
import { exitCodeOf } from '../../src/runs/runs.ts';
import { rejectionOf } from '../support/rejection.ts';
import { makeTestConfig, runScripted } from '../support/scripted-run.ts';

/** Returns a URL with a port that was free a moment ago, so that nothing listens there. */
async function refusedUrl(): Promise<string> {
  const site = await openScriptedWebDriver();
  await site.close();
  return site.url;
}

describe('Run: end', () => {
  it('completes with counts, sessions and no error when `run` returns', async () => {
    const { outcome, left } = await runScripted({ run: async ({ step }) => void (await step('a', () => 1)) });
    expect(outcome).to.include({ action: 'scripted', status: 'completed', records: 0, sessions: 1, error: null });
    expect(outcome.runId).to.match(/^\d{8}-\d{6}-[0-9a-f]{6}$/);
    expect(outcome.owner).to.equal(outcome.runId);
    expect(outcome.deaths).to.deep.equal([]);
    expect(outcome.outputs).to.deep.equal({});
    expect(left).to.equal(0);
    expect(exitCodeOf(outcome)).to.equal(0);
  });

  it('is not affected by a function of the caller that fails, also if it is asynchronous', async () => {
    const unhandled = spy();
    process.on('unhandledRejection', unhandled);
    try {
      const { outcome } = await runScripted({
        options: {
          // oxlint-disable-next-line typescript/no-misused-promises -- users can do this
          onSession: () => Promise.reject(new Error('careless')),
          onProgress: () => {
            throw new Error('careless');
          },
        },
        run: async ({ step }) => void (await step('a', () => 1)),
      });
      expect(outcome).to.include({ status: 'completed', error: null });
    } finally {
      process.off('unhandledRejection', unhandled);
    }
    expect(unhandled.callCount).to.equal(0);
  });

  it('fails with the error that `run` throws, its secrets masked', async () => {
    const { outcome } = await runScripted({
      run: () => {
        throw new Error('login at http://user:hunter2@shop.test/ refused');
      },
    });
    expect(outcome).to.include({ status: 'failed' });
    expect(outcome.error?.code).to.equal('error');
    expect(outcome.error?.message).to.contain('shop.test').and.not.contain('hunter2');
    expect(exitCodeOf(outcome)).to.equal(1);
  });

  it('is partial if a step ended with its own CancelledError, because not all work was done', async () => {
    const { outcome } = await runScripted({
      run: async ({ step }) => {
        await rejectionOf(
          step('a', () => {
            throw new CancelledError('never mind');
          }),
        );
      },
    });
    expect(outcome).to.include({ status: 'partial', error: null });
    expect(outcome.counts).to.include({ total: 1, cancelled: 1 });
  });

  it('ends as halted with the death if recovery is off, and the counts add up (R110)', async () => {
    const { outcome, entries, code, left } = await runScripted({
      options: { recover: false },
      run: async ({ step, batch }, { die }) => {
        await step('done', () => 1);
        await batch('b', ['dies', 'queued', 'queued too'], () => die(), { key: (item) => item, concurrency: 1 });
      },
    });
    expect(entries).to.equal(1);
    expect(outcome).to.include({ status: 'halted', sessions: 1 });
    expect(code).to.equal('session-dead');
    expect(outcome.counts).to.deep.equal({ total: 4, done: 1, failed: 0, cancelled: 3, skipped: 0 });
    expect(outcome.deaths).to.have.length(1);
    expect(outcome.deaths[0]).to.include({ cause: 'session-removed', detectedBy: 'command', epoch: 1 });
    expect(exitCodeOf(outcome)).to.equal(3);
    expect(left).to.equal(0);
  });

  it('sends no command except one DELETE for a session after its death if recovery is off (R110)', async () => {
    await using server = await openScriptedWebDriver();
    const { outcome } = await runScripted({
      server,
      options: { recover: false },
      run: async ({ batch, driver }, { die }) => {
        await batch(
          'b',
          ['a', 'b', 'c', 'd'],
          async () => {
            await die();
            await driver.getTitle();
          },
          { key: (item) => item, concurrency: 1 },
        ).catch(() => undefined);
        await driver.getCurrentUrl().catch(() => undefined);
      },
    });
    const [first] = server.requests.filter(({ sessionId }) => sessionId !== undefined);
    const asked = server.requestsFor(first!.sessionId!).map(({ method }) => method);
    expect(asked).to.deep.equal(['GET', 'DELETE']);
    expect(outcome).to.include({ status: 'halted' });
  });

  it('ends as halted with code restart-limit beyond the restart limit', async () => {
    const { outcome, entries, code } = await runScripted({
      options: { supervisor: { restartLimit: { limit: 2, windowMs: 60_000 } } },
      run: async ({ step }, { die, entry }) => {
        await step(`entry ${entry}`, () => die());
      },
    });
    expect(entries).to.equal(3);
    expect(outcome).to.include({ status: 'halted', sessions: 3 });
    expect(code).to.equal('restart-limit');
    expect(exitCodeOf(outcome)).to.equal(3);
  });

  it('ends as timed out when nothing makes progress for SESSION_TIMEOUT_MINUTES', async () => {
    const { outcome, code, left } = await runScripted({
      options: { config: makeTestConfig({ sessionTimeoutMs: 150 }) },
      run: async ({ step }) => {
        await step('done', () => 1);
        await step('stuck', ({ signal }) => once(signal, 'abort'));
      },
    });
    expect(outcome).to.include({ status: 'timed_out' });
    expect(code).to.equal('run-timed-out');
    expect(outcome.error?.message).to.contain('SESSION_TIMEOUT_MINUTES');
    expect(outcome.counts).to.include({ total: 2, done: 1, cancelled: 1 });
    expect(exitCodeOf(outcome)).to.equal(5);
    expect(left).to.equal(0);
  });

  it('does not time out while it reports progress, and shows the progress', async () => {
    const { outcome } = await runScripted({
      options: { config: makeTestConfig({ sessionTimeoutMs: 400 }) },
      run: async ({ driver, progress }, { run }) => {
        const begun = performance.now();
        for (let done = 0; performance.now() - begun < 1_000; done += 1) {
          progress(done, 1_000, 'pages');
          expect(run.progress.display).to.deep.equal({ done, total: 1_000, label: 'pages' });
          await driver.getTitle();
        }
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
  });

  it('does not time out at once with a timeout that is longer than the longest timer', async () => {
    const { outcome } = await runScripted({
      options: { config: makeTestConfig({ sessionTimeoutMs: 60 * 60_000 * 24 * 60 }) },
      run: async ({ driver }) => {
        for (let i = 0; i < 5; i += 1) await driver.getTitle();
      },
    });
    expect(outcome).to.include({ status: 'completed', error: null });
  });

  it('refuses progress that is not a number', async () => {
    const { code } = await runScripted({ run: ({ progress }) => progress(Number.NaN, 1) });
    expect(code).to.equal('action-error');
  });

  it('reports the first failure if its data cannot be written either', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'run-'));
    try {
      const { outcome, code, warnings } = await runScripted({
        options: { output: folder },
        run: async ({ save }) => {
          await save({ n: 1 }, { key: 'a' });
          rmSync(folder, { recursive: true });
          throw new Error('the first failure');
        },
      });
      expect(outcome.error?.message).to.equal('the first failure');
      expect(code).to.equal('error');
      expect(outcome.records).to.equal(1);
      expect(warnings.map(({ message }) => message).join()).to.contain('records.jsonl could not be written');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('fails with code export-failed if only its data cannot be written', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'run-'));
    const { outcome, code } = await runScripted({
      options: { output: folder },
      run: async ({ save }) => {
        await save({ n: 1 }, { key: 'a' });
        rmSync(folder, { recursive: true });
      },
    });
    expect(code).to.equal('export-failed');
    expect(outcome).to.include({ status: 'failed' });
    expect(outcome.outputs).to.deep.equal({});
  });

  it('completes although callbacks throw, and leaves no session behind', async () => {
    const { outcome, left, warnings } = await runScripted({
      options: {
        onSession: () => {
          throw new Error('onSession is broken');
        },
        onDeath: () => {
          throw new Error('onDeath is broken');
        },
      },
      run: async (_context, { entry, die }) => {
        if (entry === 1) await die();
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 2 });
    expect(left).to.equal(0);
    expect(warnings.map(({ fields }) => JSON.stringify(fields)).join()).to.contain('onSession is broken');
  });

  it('reports each death and each session when it happens', async () => {
    const deaths: Death[] = [];
    const states: string[] = [];
    const { outcome } = await runScripted({
      options: { onDeath: (death) => deaths.push(death) },
      run: async ({ session }, { entry, die, run }) => {
        states.push(`${run.progress.state} ${session.epoch} ${run.progress.sessions}`);
        if (entry === 1) await die();
      },
    });
    expect(deaths).to.deep.equal(outcome.deaths);
    expect(states).to.deep.equal(['running 1 1', 'running 2 2']);
  });

  it('ends `completed` when the action ends its session by driver.quit() and returns', async () => {
    const { outcome } = await runScripted({ run: async ({ driver }) => driver.quit() });
    expect(outcome).to.include({ status: 'completed', error: null, sessions: 1 });
    expect(outcome.deaths).to.deep.equal([]);
  });

  it('fails without another entry if the action uses a session that it has ended itself', async () => {
    const { outcome, entries } = await runScripted({
      run: async ({ driver }) => {
        await driver.quit();
        await driver.getTitle();
      },
    });
    expect(entries).to.equal(1);
    expect(outcome).to.include({ status: 'failed', sessions: 1 });
    expect(outcome.error?.message).to.contain('quit');
    expect(outcome.deaths).to.deep.equal([]);
  });
});

describe('Run: start', () => {
  it('fails with exit code 2 if its first session cannot be started', async () => {
    await using server = await openScriptedWebDriver();
    server.answer('POST /session', { error: 'session not created', message: 'no more slots' });
    const { outcome, code, entries } = await runScripted({ server, run: () => undefined });
    expect(entries).to.equal(0);
    expect(outcome).to.include({ status: 'failed', sessions: 0 });
    expect(code).to.equal('session-start-failed');
    expect(outcome.error?.message).to.contain('no more slots');
    expect(exitCodeOf(outcome)).to.equal(2);
  });

  it('does not exit with code 2 if the session of a later slot cannot be started', async () => {
    await using server = await openScriptedWebDriver();
    const { outcome } = await runScripted({
      server,
      run: async ({ batch }) => {
        server.answer('POST /session', { error: 'session not created', message: 'no more slots' });
        await batch('b', ['a', 'b'], (_item, { signal }) => once(signal, 'abort'), {
          key: (item) => item,
          sessions: 2,
        });
      },
    });
    expect(outcome).to.include({ status: 'failed', sessions: 1 });
    expect(outcome.error?.code).to.equal('session-start-failed');
    expect(exitCodeOf(outcome)).to.equal(1);
  });

  it('continues if the session of a later slot starts only at the third attempt', async () => {
    await using server = await openScriptedWebDriver();
    const { outcome } = await runScripted({
      server,
      run: async ({ batch }) => {
        server.answer('POST /session', { error: 'session not created', message: 'no more slots' }, { times: 2 });
        const both = new Set<string>();
        const met = Promise.withResolvers<void>();
        const meet = async (item: string) => {
          if (both.add(item).size === 2) met.resolve();
          await met.promise;
        };
        await batch('b', ['a', 'b'], meet, { key: (item) => item, sessions: 2 });
      },
    });
    expect(outcome).to.include({ status: 'completed', sessions: 2 });
  });

  it('refuses a folder without write access before a browser starts, and names it and the flag', async () => {
    await using server = await openScriptedWebDriver();
    const folder = mkdtempSync(path.join(tmpdir(), 'run-'));
    const output = path.join(folder, 'a-file');
    writeFileSync(output, '');
    const error = await rejectionOf(runScripted({ server, options: { output }, run: () => undefined }));
    rmSync(folder, { recursive: true });
    expect(error).to.be.instanceOf(ConfigError);
    expect(error.message).to.contain(output).and.contain('--output');
    expect(server.requests).to.deep.equal([]);
  });

  it('refuses an unreachable base URL before a browser starts, and names it and the reason', async () => {
    await using server = await openScriptedWebDriver();
    const refused = await refusedUrl();
    for (const [baseUrl, reason] of [
      [refused, 'refused'],
      [refused.replace('127.0.0.1', 'localhost'), 'refused'],
      ['http://127.0.0.1:9/', 'browsers refuse the port'],
      ['http://no-such-host.invalid/', 'no such host'],
      ['ftp://127.0.0.1/', 'not an http or https URL'],
      ['shop', 'not an http or https URL'],
    ] as const) {
      const error = await rejectionOf(runScripted({ server, baseUrl, run: () => undefined }));
      expect(error).to.be.instanceOf(ConfigError);
      expect(error.message).to.contain(baseUrl).and.contain(reason);
    }
    // The endpoint itself is checked first.
    expect(server.requests.filter((request) => request.path !== '/status')).to.deep.equal([]);
  });

  it('accepts every HTTP status of the base URL, and a connection that breaks', async () => {
    await using site = await openFaultSite();
    for (const page of ['/status/404', '/status/503', '/status/401', '/reset', '/set-cookie']) {
      const { outcome } = await runScripted({ baseUrl: `${site.url}${page}`, run: () => undefined });
      expect(outcome.status, page).to.equal('completed');
    }
  });

  it('never shows the password of a base URL', async () => {
    const baseUrl = (await refusedUrl()).replace('//', '//user:hunter2@');
    const error = await rejectionOf(runScripted({ baseUrl, run: () => undefined }));
    expect(error.message).to.not.contain('hunter2');
  });

  it('refuses invalid numbers of sessions, and an owner with several sessions', async () => {
    for (const options of [{ sessions: 0 }, { sessions: 1.5 }, { owner: 'me', sessions: 2 }]) {
      expect(await rejectionOf(runScripted({ options, run: () => undefined }))).to.be.instanceOf(ConfigError);
    }
  });

  it('takes the owner from the options, otherwise from the action, otherwise from the run', async () => {
    const byOption = await runScripted({ owner: 'action’s', options: { owner: 'mine' }, run: () => undefined });
    const byAction = await runScripted({
      owner: 'action’s',
      run: ({ session }) => expect(session.owner).to.equal('action’s') && undefined,
    });
    expect([byOption.outcome.owner, byAction.outcome.owner]).to.deep.equal(['mine', 'action’s']);
  });

  it('writes its records to the folder in the requested format, and names the files', async () => {
    const output = mkdtempSync(path.join(tmpdir(), 'run-'));
    try {
      const { outcome } = await runScripted({
        options: { output, format: 'csv' },
        run: async ({ save }) => save({ n: 1 }, { key: 'a', dataset: 'numbers' }),
      });
      expect(outcome.outputs).to.deep.equal({ numbers: path.join(output, 'numbers.csv') });
      expect(readFileSync(outcome.outputs['numbers']!, 'utf8')).to.equal('n\r\n1\r\n');
    } finally {
      rmSync(output, { recursive: true });
    }
  });
});
