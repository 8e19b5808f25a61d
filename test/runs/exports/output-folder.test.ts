import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { openRegistry } from 'webdriver-supervisor';

import { type Registry } from '../../../src/registry/registry.ts';
import { toFolderClaim } from '../../../src/runs/exports/output-folder.ts';
import { rejectionOf } from '../../support/rejection.ts';
import { runScripted, type ScriptedRun } from '../../support/scripted-run.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../../support/registries.ts';

const RENEWAL = { id: 'suspended', lastHeartbeatAt: null, lastUsedAt: new Date().toISOString() };
const SNAPSHOT = {
  counts: { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 },
  display: null,
  sessions: 1,
  reused: 0,
  contextLosses: 0,
  deaths: [],
  durationMs: 0,
};
const PROCESS = { host: hostname(), pid: 1, identity: 'of another machine' };

describe('Output folder', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'output-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const save: ScriptedRun['run'] = ({ save: saveRecord }) => saveRecord({ n: 1 }, { key: '1' });

  it('is refused to a second run before its browser starts while another run writes into it, also through a link', async () => {
    const link = path.join(folder, 'link');
    symlinkSync(folder, link);
    let refusal: Error | undefined;
    const { outcome } = await runScripted({
      options: { output: folder },
      run: async (context, { server }) => {
        await save(context, undefined as never);
        const sessions = server.sessionIds.length;
        refusal = await rejectionOf(runScripted({ server, run: save, options: { output: link } }));
        expect(server.sessionIds).to.have.length(sessions);
      },
    });
    expect(outcome).to.include({ status: 'completed' });
    expect(refusal).to.include({ code: 'invalid-config' });
    expect(refusal?.message).to.contain(`The run ${outcome.runId}`).and.contain('choose another');
  });

  it('is free for the next run after the end of a run', async () => {
    for (let run = 0; run < 2; run += 1)
      expect((await runScripted({ options: { output: folder }, run: save })).outcome.status).to.equal('completed');
    expect(readdirSync(folder)).to.deep.equal(['records.jsonl', 'report.html']);
  });
});

describeOnSqliteAndInFullOnPostgres('Output folder: claims in the registry', ({ url }) => {
  let registry: Registry;

  beforeEach(async () => {
    registry = await openRegistry(await url());
  });

  afterEach(() => registry.close());

  const begin = async (id: string, { leaseMs = 60_000, isGone = false } = {}) => {
    const claim = { ...(await toFolderClaim(tmpdir())), isGone: () => isGone };
    await registry.runs.create({ id, action: 'test', params: {}, owner: id });
    const result = await registry.leases.claim({ id, owner: id, holder: id, leaseMs, process: PROCESS, runId: id });
    if (!result.isClaimed) throw new Error('The owner is taken.');
    return registry.runs.begin(id, { token: result.session.token, process: PROCESS, claim });
  };

  it('are refused with the name of the run that has the folder under a live lease', async () => {
    await begin('first');
    expect(await rejectionOf(begin('second'))).to.include({ code: 'invalid-config' });
    expect((await rejectionOf(begin('third'))).message).to.match(
      /^The run first of test \(pid 1\) writes into .+ --output\.$/,
    );
    expect((await registry.runs.get('second'))?.status).to.equal('pending');
  });

  it('end with the lease, with the process and with the run', async () => {
    await begin('lease', { leaseMs: 0 });
    await begin('process');
    await begin('next', { isGone: true });
    await registry.leases.release('next', 'next', { status: 'ended' });
    await registry.leases.release('process', 'process', { status: 'ended' });
    expect((await begin('last')).options).to.include({ writesTo: tmpdir() });
  });

  it('are lost by a run whose lease had expired when another run began, also if it is renewed: it replaces no file', async () => {
    const { token } = await begin('suspended', { leaseMs: 0 });
    const run = (await registry.runs.get('suspended'))!;
    const store = registry.runs.openStore(run, {
      token: token!,
      snapshot: () => SNAPSHOT,
      onFailure: () => undefined,
      onCancel: () => undefined,
    });
    await store.prove();
    await begin('other');
    await registry.leases.renew('suspended', [RENEWAL], 60_000);
    const refusal = await rejectionOf(store.prove());
    await store.close();
    expect(refusal).to.include({ code: 'invalid-config' });
    expect(refusal.message).to.contain(tmpdir()).and.contain('runs export suspended --output');
  });

  it('let one of two concurrent runs begin', async () => {
    const results = await Promise.allSettled([begin('a'), begin('b')]);
    expect(results.map(({ status }) => status).toSorted()).to.deep.equal(['fulfilled', 'rejected']);
  });
});
