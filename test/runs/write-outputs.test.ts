import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { CancelledError } from '../../src/core/errors.ts';
import { LeaseLostError, MEMORY_REGISTRY_URL } from '../../src/registry/registry.ts';
import { writeOutputs } from '../../src/runs/write-outputs.ts';
import { openRun, RUN } from '../support/opened-run.ts';

const OLD = 'of another process';

describe('Files of a run at its end', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'outputs-'));
    file = path.join(folder, 'records.jsonl');
    writeFileSync(file, OLD);
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const plan = (signal?: AbortSignal) =>
    ({ folder, format: 'jsonl', writesOutput: true, signal, resumed: undefined }) as const;

  it('replace those of an earlier end', async () => {
    await using run = await openRun(MEMORY_REGISTRY_URL);
    await run.endStep(1);
    expect(await writeOutputs(run.store, plan())).to.deep.equal({
      outputs: { records: file },
      samples: [{ dataset: 'records', records: 1, first: ['{"number":1,"text":""}'] }],
      warnings: [],
    });
    expect(readFileSync(file, 'utf8')).to.equal('{"number":1,"text":""}\n');
  });

  it('are reported with the files of earlier exports that they don’t replace, and with no other files', async () => {
    const [csv, gone, own] = ['records.csv', 'gone.jsonl', 'own.csv'].map((name) => path.join(folder, name));
    for (const left of [csv!, gone!, own!]) writeFileSync(left, OLD);
    await using run = await openRun(MEMORY_REGISTRY_URL);
    await run.endStep(1);
    await using other = await mkdtempDisposable(path.join(tmpdir(), 'outputs-'));
    const elsewhere = path.join(other.path, 'elsewhere.jsonl');
    writeFileSync(elsewhere, OLD);
    const earlier = { records: file, gone: gone!, removed: path.join(folder, 'removed.jsonl'), elsewhere };
    const { warnings } = await writeOutputs(run.store, { ...plan(), resumed: { outputs: earlier } });
    expect(warnings.map((warning) => /The file (\S+) is from an earlier export/.exec(warning)?.[1])).to.have.members([
      csv,
      gone,
    ]);
    expect(readFileSync(csv!, 'utf8')).to.equal(OLD);
  });

  it('replace nothing if another process has begun the run since its last commit', async () => {
    await using run = await openRun(MEMORY_REGISTRY_URL);
    await run.endStep(1);
    await run.registry.runs.begin(RUN, { token: 2, process: { host: 'there', pid: 2, identity: 'two' } });
    const { outputs, failure } = await writeOutputs(run.store, plan());
    expect(outputs).to.deep.equal({});
    expect(failure).to.be.instanceOf(LeaseLostError);
    expect(readFileSync(file, 'utf8')).to.equal(OLD);
    expect(readdirSync(folder)).to.deep.equal(['records.jsonl']);
  });

  it('are written if the run was cancelled earlier, and not if it is cancelled while they are written', async () => {
    await using run = await openRun(MEMORY_REGISTRY_URL);
    await run.endStep(1);
    const stop = new AbortController();
    const writing = writeOutputs(run.store, plan(stop.signal));
    stop.abort();
    expect((await writing).failure).to.be.instanceOf(CancelledError);
    expect(readFileSync(file, 'utf8')).to.equal(OLD);
    expect((await writeOutputs(run.store, plan(stop.signal))).outputs).to.deep.equal({ records: file });
  });
});
