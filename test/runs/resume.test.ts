import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';
import {
  defineAction,
  openRegistry,
  runAction,
  SessionManager,
  z,
  type ActionContext,
  type Registry,
} from 'webdriver-supervisor';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import { silentLog } from '../../src/core/log.ts';
import { MEMORY_REGISTRY_URL } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { rejectionOf } from '../support/rejection.ts';
import { makeTestConfig, runScripted, type ScriptedRun } from '../support/scripted-run.ts';

describe('A resumed run', () => {
  let registry: Registry;
  let server: ScriptedWebDriver;

  beforeEach(async () => {
    [registry, server] = await Promise.all([openRegistry(MEMORY_REGISTRY_URL), openScriptedWebDriver()]);
  });

  afterEach(async () => {
    await Promise.all([registry.close(), server.close()]);
  });

  const runOnce = (run: ScriptedRun['run'], options: ScriptedRun['options'] = {}) =>
    runScripted({ run, server, options: { registry, ...options } });

  it('reports that it gets its browsers from another Grid than the one where it began', async () => {
    const warnings: string[] = [];
    const log = { ...silentLog, child: () => log, warn: (message: string) => void warnings.push(message) };
    let fails = true;
    const run: ScriptedRun['run'] = async ({ step }) => {
      await step('only', () => {
        if (fails) throw new Error('not yet');
      });
    };
    const {
      outcome: { runId },
    } = await runOnce(run);
    await runOnce(run, { resume: runId, log });
    expect(warnings.join()).not.to.contain('began with browsers');
    fails = false;
    await using other = await openScriptedWebDriver();
    await runScripted({ run, server: other, options: { registry, resume: runId, log } });
    expect(warnings.join()).to.contain(`browsers of ${server.url}`).and.contain(`with those of ${other.url}`);
  });

  it('does a step of a completed run again with `redo`, and everything after it', async () => {
    const works: string[] = [];
    const work: ScriptedRun['run'] = async ({ step }) => {
      for (const key of ['a', 'b', 'c']) {
        await step(key, ({ save }) => {
          works.push(key);
          save({ key }, { key });
        });
      }
    };
    const { outcome } = await runOnce(work);
    const again = await runOnce(work, { resume: outcome.runId, redo: 'b' });
    expect(again.outcome).to.include({ status: 'completed', records: 3, error: null });
    expect(works).to.deep.equal(['a', 'b', 'c', 'b', 'c']);
  });

  it('leaves the report as it is if its owner is busy, because the run may be at work elsewhere', async () => {
    const output = mkdtempSync(join(tmpdir(), 'resume-'));
    const supervisor = { gridUrl: server.url };
    await using manager = await SessionManager.open({ registry, config: makeTestConfig(), supervisor });
    try {
      const fail: ScriptedRun['run'] = ({ step }) => step('a', () => Promise.reject(new Error('not yet')));
      const { outcome } = await runOnce(fail, { output, owner: 'ann' });
      const report = readFileSync(outcome.report ?? '', 'utf8');
      await manager.acquire('ann');
      const again = await runOnce(fail, { output, resume: outcome.runId, waitMs: 0 });
      expect(again.outcome.report).to.equal(null);
      expect(again.outcome.error?.code).to.equal('session-busy');
      expect(readFileSync(outcome.report ?? '', 'utf8')).to.equal(report);
    } finally {
      rmSync(output, { recursive: true });
    }
  });

  it('warns of the file of a dataset that it no longer has', async () => {
    const output = mkdtempSync(join(tmpdir(), 'resume-'));
    try {
      const work =
        (dataset: string): ScriptedRun['run'] =>
        ({ step }) =>
          step('a', ({ save }) => save({ n: 1 }, { key: 'a', dataset }));
      const { outcome } = await runOnce(work('first'), { output });
      const again = await runOnce(work('second'), { resume: outcome.runId, redo: 'a', output });
      expect(Object.keys(again.outcome.outputs)).to.deep.equal(['second']);
      expect(again.outcome.warnings.join()).to.contain(outcome.outputs['first']);
    } finally {
      rmSync(output, { recursive: true });
    }
  });

  it('does nothing again if another process completes the run while it waits for the owner', async () => {
    const works: string[] = [];
    const first = Promise.withResolvers<void>();
    const work: ScriptedRun['run'] = async ({ step }, { entry, die }) => {
      await step('a', () => void works.push('a'));
      if (entry === 1) await die();
      await first.promise;
      await step('b', () => void works.push('b'));
    };
    const interrupted = await runOnce(({ step }) =>
      step('a', () => void works.push('a')).then(() => Promise.reject(new Error('no'))),
    );
    const { runId } = interrupted.outcome;
    const holding = runOnce(work, { resume: runId });
    await eventually(async () => (await registry.runs.get(runId))?.status === 'processing', 'the first resume');
    const waiting = runOnce(work, { resume: runId, waitMs: 20_000 });
    first.resolve();
    const outcomes = [(await holding).outcome, (await waiting).outcome];
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['completed', 'completed']);
    expect(works).to.deep.equal(['a', 'b']);
    expect(outcomes[1]).to.deep.include({ deaths: outcomes[0]!.deaths, sessions: outcomes[0]!.sessions });
    expect(outcomes[1]!.deaths).to.have.length(1);
  });

  it('takes over the deaths and sessions that the run has when the wait for the owner ends', async () => {
    let attempt = 0;
    const work: ScriptedRun['run'] = async ({ step }, { entry, die }) => {
      if (entry === 1) attempt += 1;
      await step('a', () => undefined);
      if (entry === 1) await die();
      if (attempt < 3) throw new Error('not yet');
    };
    const { outcome } = await runOnce(work);
    const again = await runOnce(work, { resume: outcome.runId });
    const last = await runOnce(work, { resume: outcome.runId });
    expect([again.outcome.deaths.length, last.outcome.deaths.length]).to.deep.equal([2, 3]);
    expect(last.outcome).to.include({ status: 'completed', sessions: 6 });
    expect((await registry.runs.get(outcome.runId))?.deaths).to.deep.equal(last.outcome.deaths);
  });

  it('warns of a record that only an earlier process has saved outside of steps', async () => {
    let isBroken = true;
    const work: ScriptedRun['run'] = async ({ step, save }) => {
      try {
        await step('page', ({ save: saveInStep }) => {
          if (isBroken) throw new Error('not today');
          saveInStep({ page: 1 }, { key: 'page' });
        });
      } catch {
        await save({ page: 1 }, { key: 'page 1', dataset: 'broken' });
      }
      await save({ done: true }, { key: 'done' });
    };
    const { outcome } = await runOnce(work);
    expect(outcome).to.include({ status: 'partial' });
    isBroken = false;
    const again = await runOnce(work, { resume: outcome.runId });
    expect(again.outcome).to.include({ status: 'completed' });
    expect(again.outcome.warnings).to.deep.equal([
      'The record "page 1" of broken was saved by an earlier entry of `run`, outside of steps, and not by this one. It stays stored.',
    ]);
  });

  it('refuses to redo an unknown step before a session is started', async () => {
    const { outcome } = await runOnce(async ({ step }) => void (await step('a', () => 1)));
    const sessions = server.requests.filter(({ path }) => path === '/session').length;
    const error = await rejectionOf(runOnce(() => undefined, { resume: outcome.runId, redo: 'nope' }));
    expect(error).to.have.property('code', 'invalid-config');
    expect(error.message).to.match(/has no step "nope" to do again\. Its steps are "a"/);
    expect(server.requests.filter(({ path }) => path === '/session')).to.have.length(sessions);
  });

  it('returns the stored values of done work, and does failed and interrupted work again (invariant 5)', async () => {
    const stop = new AbortController();
    const works: string[] = [];
    const received: unknown[] = [];
    const work: ScriptedRun['run'] = async ({ step, batch }, { entry }) => {
      const isFirst = works.length < 5;
      received.push(await step('one', () => (works.push('one'), { n: 1 })));
      received.push(await step('nothing', () => void works.push('nothing')));
      const { results } = await batch(
        'b',
        ['done', 'skipped', 'failed', 'cut off'],
        (item, { skip, signal }) => {
          works.push(item);
          if (item === 'skipped') skip('not wanted');
          if (item === 'failed' && isFirst) throw new Error('not today');
          if (item === 'cut off' && isFirst) {
            stop.abort();
            return new Promise<string>((_resolve, reject) =>
              signal.addEventListener('abort', () => reject(new Error('cut'))),
            );
          }
          return `${item} of entry ${entry}`;
        },
        { key: (item) => item, concurrency: 1 },
      );
      received.push(results.map(({ status }) => status));
    };
    const first = await runOnce(work, { signal: stop.signal });
    expect(first.outcome.status).to.equal('cancelled');
    expect(first.outcome.counts).to.deep.equal({ total: 6, done: 3, failed: 1, cancelled: 1, skipped: 1 });
    const second = await runOnce(work, { resume: first.outcome.runId });
    expect(second.outcome).to.include({ status: 'completed', runId: first.outcome.runId, sessions: 2 });
    expect(second.outcome.counts).to.deep.equal({ total: 6, done: 5, failed: 0, cancelled: 0, skipped: 1 });
    expect(works).to.deep.equal(['one', 'nothing', 'done', 'skipped', 'failed', 'cut off', 'failed', 'cut off']);
    expect(received.slice(-3)).to.deep.equal([{ n: 1 }, undefined, ['done', 'skipped', 'done', 'done']]);
  });

  it('exports in the order of an undisturbed run, although the first half finished in reverse order', async () => {
    const items = ['a', 'b', 'c', 'd'];
    const work =
      (stop: AbortController | undefined): ScriptedRun['run'] =>
      async ({ batch, save }) => {
        await save({ at: 'begin' }, { key: 'begin' });
        const last = Promise.withResolvers<void>();
        await batch(
          'b',
          items,
          async (item, { save: saveRecord, signal }) => {
            saveRecord({ item }, { key: item });
            if (stop === undefined) return;
            if (item === 'd') return last.resolve();
            await last.promise;
            await new Promise((resolve) => setImmediate(resolve));
            stop.abort();
            signal.throwIfAborted();
          },
          { key: (item) => item, concurrency: 4 },
        );
        await save({ at: 'end' }, { key: 'end' });
      };
    const stop = new AbortController();
    const { outcome } = await runOnce(work(stop), { signal: stop.signal });
    expect(outcome.counts.done, 'only the last one').to.be.below(4);
    await runOnce(work(undefined), { resume: 'last' });
    const keys = (await Array.fromAsync(registry.runs.listRecords(outcome.runId))).map(({ key }) => key);
    expect(keys).to.deep.equal(['begin', ...items, 'end']);
  });

  it('does the items that workers had added, also those that had not begun', async () => {
    const stop = new AbortController();
    const done: number[] = [];
    const work: ScriptedRun['run'] = async ({ batch }) => {
      await batch(
        'crawl',
        [1],
        (item, { add, signal }) => {
          if (item === 2 && !stop.signal.aborted) {
            stop.abort();
            signal.throwIfAborted();
          }
          done.push(item);
          if (item < 4) add(item + 1);
        },
        { key: String, concurrency: 1 },
      );
    };
    const { outcome } = await runOnce(work, { signal: stop.signal });
    expect(outcome.counts).to.include({ total: 2, done: 1, cancelled: 1 });
    const { outcome: resumed } = await runOnce(work, { resume: outcome.runId });
    expect(resumed.counts).to.include({ total: 4, done: 4 });
    expect(done).to.deep.equal([1, 2, 3, 4]);
  });

  it('does not replace a record by an older version', async () => {
    const stop = new AbortController();
    const work: ScriptedRun['run'] = async ({ save, step }) => {
      await save({ state: 'draft' }, { key: 'r' });
      await save({ state: 'final' }, { key: 'r' });
      await step('s', ({ signal }) => {
        if (!stop.signal.aborted) stop.abort();
        else return;
        signal.throwIfAborted();
      });
    };
    const { outcome } = await runOnce(work, { signal: stop.signal });
    await runOnce(
      async (context, stage) => {
        const saves: string[] = [];
        await work(context, stage);
        saves.push(...(await Array.fromAsync(registry.runs.listRecords(outcome.runId))).map(({ json }) => json));
        expect(saves).to.deep.equal(['{"state":"final"}']);
      },
      { resume: outcome.runId },
    );
  });

  it('writes the files of a completed run again without a browser', async () => {
    const { outcome } = await runOnce(({ save }) => save({ a: 1 }, { key: 'a' }));
    const starts = server.requests.length;
    const again = await runOnce(() => Promise.reject(new Error('it was entered')), { resume: outcome.runId });
    expect(again.outcome).to.include({ status: 'completed', records: 1, runId: outcome.runId });
    expect(server.requests).to.have.length(starts);
  });

  it('adds up sessions, deaths and time over the processes of the run', async () => {
    const halted = await runOnce(({ step }, { die }) => step('a', () => die()), { recover: false });
    expect(halted.outcome).to.include({ status: 'halted', sessions: 1 });
    const { outcome } = await runOnce(async ({ step }) => void (await step('a', () => 1)), { resume: 'last' });
    expect(outcome).to.include({ status: 'completed', sessions: 2 });
    expect(outcome.deaths).to.deep.equal(JSON.parse(JSON.stringify(halted.outcome.deaths)));
    expect(outcome.durationMs).to.be.at.least(halted.outcome.durationMs);
  });

  describe('is refused', () => {
    const params = z.object({
      pages: z.number().default(3),
      password: z.string().optional(),
      site: z.url().optional(),
    });
    const makeAction = (name: string, run: (context: ActionContext<z.output<typeof params>>) => Promise<void> | void) =>
      defineAction({ name, description: 'An action of a test.', params, run });
    const options = (more: object = {}) => ({
      registry,
      output: false as const,
      config: makeTestConfig(),
      supervisor: { gridUrl: server.url },
      ...more,
    });
    const begin = async (given: z.input<typeof params>) => {
      const action = makeAction('shop', ({ step }) => step('a', () => Promise.reject(new Error('later'))));
      return (await runAction(action, given, options())).runId;
    };
    const shop = makeAction('shop', async ({ step, params: given }) => void (await step('a', () => given.pages)));

    it('with other parameters, and names each with its old and new value', async () => {
      const resume = await begin({ pages: 5 });
      const error = await rejectionOf(runAction(shop, { pages: 6 }, options({ resume })));
      expect(error).to.have.property('code', 'invalid-config');
      expect(error.message).to.contain('--pages was 5, and is now 6').and.to.contain(resume);
    });

    it('not with the same parameters, in every notation', async () => {
      const resume = await begin({});
      expect(await runAction(shop, { pages: 3 }, options({ resume }))).to.include({ status: 'completed' });
    });

    it('as another action, and names both', async () => {
      const resume = await begin({});
      const other = makeAction('market', () => undefined);
      const { message } = await rejectionOf(runAction(other, {}, options({ resume })));
      expect(message).to.contain('is one of shop, not of market');
    });

    it('for another owner', async () => {
      const resume = await begin({});
      const { message } = await rejectionOf(runAction(shop, {}, options({ resume, owner: 'ann' })));
      expect(message).to.contain('not for "ann"').and.to.contain('--owner');
    });

    it('as a run that workers do, and as one of its shards', async () => {
      const common = { action: 'shop', params: {}, owner: 'parent' };
      await registry.shards.create({ ...common, id: 'parent' }, [{ ...common, id: 'parent.1' }]);
      for (const resume of ['parent', 'parent.1'])
        expect((await rejectionOf(runAction(shop, {}, options({ resume })))).message).to.equal(
          `The run ${resume} was enqueued for workers. Continue it with \`enqueue shop --resume parent\`.`,
        );
      expect((await registry.runs.get('parent.1'))?.status).to.equal('pending');
    });

    it('if there is no such run, or no run of the action', async () => {
      expect((await rejectionOf(runAction(shop, {}, options({ resume: 'nope' })))).message).to.contain('no run nope');
      expect((await rejectionOf(runAction(shop, {}, options({ resume: 'last' })))).message).to.contain(
        'no run of shop',
      );
    });

    it('without a parameter that may be secret, which is not stored and must be given again (R411)', async () => {
      const site = 'https://ann:hunter2@shop.example/';
      const resume = await begin({ pages: 2, password: 'correct horse', site });
      const stored = JSON.stringify([await registry.runs.get(resume)]);
      expect(stored).not.to.contain('correct horse').and.not.to.contain('hunter2');
      const { message } = await rejectionOf(runAction(shop, {}, options({ resume })));
      expect(message).to.contain('--password').and.to.contain('--site').and.not.to.contain('hunter2');
      const given = { password: 'another one', site };
      expect(await runAction(shop, given, options({ resume }))).to.include({ status: 'completed' });
    });
  });
});
