import { expect } from 'chai';
import { runAction, type SessionSupervisor } from 'webdriver-supervisor';
import checkLinks from '../../actions/check-links.ts';
import { makeTemporaryFolder, readRecords } from './site.ts';

export interface BrokenLink {
  readonly url: string;
  readonly status: number | null;
  readonly reason: string;
  readonly foundOn: string;
  readonly pages: number;
}

/** Runs the action to its end, and reads its records. */
export async function findBrokenLinks(
  url: string,
  params: { maxPages?: number; external?: boolean; delayMs?: number } = {},
  onSession: (supervisor: SessionSupervisor) => void = () => undefined,
) {
  await using output = await makeTemporaryFolder();
  const outcome = await runAction(checkLinks, { url, ...params }, { output: output.path, onSession });
  expect(outcome.error).to.equal(null);
  expect(outcome.status).to.equal('completed');
  expect(outcome.counts).to.include({ failed: 0, cancelled: 0, skipped: 0 });
  return { outcome, broken: await readRecords<BrokenLink>(outcome.outputs['broken-links']) };
}
