import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { defineAction, openRegistry, runAction, z, type RunOutcome } from 'webdriver-supervisor';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import { makeLog } from '../../src/core/log.ts';
import { rawSql } from '../support/raw-sql.ts';
import { makeTestConfig } from '../support/scripted-run.ts';

/** A secret that only its value shows, not a name beside it. */
const PASSWORD = 'tr0ub4dor&"3';
const NESTED = 'nested-value-of-a-secret';
const ECHOES = [PASSWORD, NESTED, encodeURIComponent(PASSWORD), btoa(`ann:${PASSWORD}`)].join(' ');
/** Finds also parts of the secrets. */
const PARTS = /tr0ub4|4dor|nested-value|VidT|dWI0/;

const action = defineAction({
  name: 'echo',
  description: 'Writes its secrets wherever it can.',
  params: z.object({
    user: z.string(),
    password: z.string(),
    account: z.object({ apiKey: z.string() }),
    note: z.string(),
  }),
  async run({ driver, step, progress, log, save, batch }) {
    progress(1, 2, `signing in with ${ECHOES}`);
    log.warn(`about to use ${ECHOES}`, { tried: [ECHOES] });
    await save({ text: ECHOES }, { key: 'data' });
    await step('fails', () => Promise.reject(new Error(`refused ${ECHOES}`))).catch(() => undefined);
    await batch('items', ['one'], (_item, { skip }) => skip(`not with ${ECHOES}`), { key: String });
    await driver.get(`http://shop.test/${encodeURIComponent(PASSWORD)}?text=${NESTED}`);
    throw new Error(`gave up: ${ECHOES}`);
  },
});

const dying = defineAction({
  ...action,
  name: 'dying',
  async run({ driver, params: { password, account } }) {
    await driver.get(`http://shop.test/${encodeURIComponent(password)}?text=${account.apiKey}`);
    await driver.getTitle();
  },
});

describe('The secrets of a run', () => {
  let folder: string;
  let server: ScriptedWebDriver;
  let outcome: RunOutcome;
  let died: RunOutcome;
  const lines: string[] = [];

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'secrets-'));
    server = await openScriptedWebDriver();
    await using registry = await openRegistry(`sqlite:${path.join(folder, 'registry.db')}`);
    const params = { user: 'ann', password: PASSWORD, account: { apiKey: NESTED }, note: `my ${PASSWORD}` };
    const options = {
      registry,
      config: makeTestConfig(),
      output: path.join(folder, 'output'),
      log: makeLog({ format: 'json', write: (line) => lines.push(line) }),
      supervisor: { gridUrl: server.url },
    };
    outcome = await runAction(action, params, options);
    server.answer('GET /title', () => {
      server.endSession();
      return { error: 'invalid session id', message: `session deleted: ${ECHOES}` };
    });
    died = await runAction(dying, params, { ...options, recover: false });
  });

  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  it('are not in its log', () => {
    expect(lines.join('')).to.contain('about to use *** ***').and.not.to.match(PARTS);
  });

  it('are not in its outcome', () => {
    expect(outcome.error?.message).to.match(/^gave up: \*\*\* \*\*\*/);
    expect(JSON.stringify(outcome)).not.to.match(PARTS);
  });

  it('are not in the evidence of a death', () => {
    expect(died.status).to.equal('halted');
    const { evidence } = died.deaths[0]!;
    expect(evidence.message).to.match(/session deleted: \*\*\* \*\*\*/);
    expect(evidence.url).to.equal('http://shop.test/***?text=***');
    expect(JSON.stringify(died)).not.to.match(PARTS);
  });

  for (const table of ['runs', 'steps', 'events', 'sessions']) {
    it(`are not in the registry's table ${table}`, async () => {
      const rows = await rawSql(`sqlite:${path.join(folder, 'registry.db')}`, `select * from ${table}`);
      expect(rows).not.to.have.length(0);
      expect(JSON.stringify(rows)).not.to.match(PARTS);
    });
  }

  it('are in the saved data, because data are never changed', async () => {
    const text = await readFile(outcome.outputs['records'] ?? '', 'utf8');
    expect(JSON.parse(text)).to.deep.equal({ text: ECHOES });
  });
});
