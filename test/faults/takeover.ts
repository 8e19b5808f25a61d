/** Two programs and one run: the first is suspended beyond its lease, the second resumes the run, then the first continues. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { freeze, unfreeze } from 'webdriver-supervisor/testing';

import { openDemoShop } from '../../scripts/demo-shop/demo-shop.ts';
import { openRegistry } from '../../src/registry/registry.ts';
import { rawSql } from '../support/raw-sql.ts';
import { Program } from './program.ts';

const PAGES = 6;

export async function suspendAndTakeOver(registryUrl: string): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'takeover-'));
  // A lease lasts six heartbeats.
  const env = { REGISTRY_URL: registryUrl, HEARTBEAT_INTERVAL_SECONDS: '0.5', HEARTBEAT_TIMEOUT_SECONDS: '2' };
  await using shop = await openDemoShop({ pages: PAGES });
  await using registry = await openRegistry(registryUrl);
  try {
    const begin = ['run', 'gather-catalog', '--url', shop.url, '--owner', 'ann', '--output', folder, '--json'];
    const first = Program.start(begin, { env });
    await shop.waitForRequests('details', { more: 30, signal: first.signal });
    await freeze(first.pid);
    const [{ id } = { id: '' }] = await registry.runs.list({ limit: 1 });

    const second = Program.start(['run', 'gather-catalog', '--resume', id, '--wait', '30', '--json'], { env });
    expect(await second.ended(), second.stderr.join('\n')).to.deep.equal({ code: 0, signal: null });
    expect(second.outcome).to.deep.include({ runId: id, status: 'completed', records: PAGES * 20 });
    const file = path.join(folder, 'records.jsonl');
    const data = readFileSync(file, 'utf8');
    expect(data.trimEnd().split('\n')).to.deep.equal(shop.expectedRecords().map((record) => JSON.stringify(record)));
    const before = await everything(registryUrl);

    unfreeze(first.pid);
    expect(await first.ended(), first.stderr.join('\n')).to.deep.equal({ code: 3, signal: null });
    const { status, deaths } = first.outcome;
    expect(status).to.equal('halted');
    expect(deaths.at(-1)).to.include({ cause: 'lease-lost', detectedBy: 'registry' });
    expect(await everything(registryUrl), 'what the first one wrote').to.deep.equal(before);
    expect(readFileSync(file, 'utf8')).to.equal(data);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function everything(url: string): Promise<unknown> {
  const tables = ['sessions', 'runs', 'steps', 'records', 'events', 'counters'];
  return Promise.all(tables.map((table) => rawSql(url, `select * from ${table} order by 1, 2`)));
}
