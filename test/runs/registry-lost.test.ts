import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { makeTestConfig, runScripted } from '../support/scripted-run.ts';

describe('A run whose registry disappears', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lost-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('fails as registry-diverged when the file is deleted, with counts that add up and no file of records', async () => {
    const file = path.join(folder, 'registry.db');
    const output = path.join(folder, 'output');
    const { outcome, code } = await runScripted({
      run: async ({ step }) => {
        await step('a', ({ save }) => save({ page: 'a' }, { key: 'a' }));
        rmSync(file);
        await step('b', ({ save }) => save({ page: 'b' }, { key: 'b' }));
      },
      options: { config: makeTestConfig({ registryUrl: `sqlite:${file}` }), output },
    });
    expect(outcome.status).to.equal('failed');
    expect(code).to.equal('registry-diverged');
    expect(outcome.error?.message).to.match(/was replaced or deleted/);
    expect(outcome.counts).to.deep.equal({ total: 2, done: 1, failed: 0, cancelled: 1, skipped: 0 });
    expect(outcome.outputs).to.deep.equal({});
    expect(existsSync(path.join(output, 'records.jsonl'))).to.equal(false);
  });
});
