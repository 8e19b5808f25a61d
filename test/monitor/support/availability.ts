import { expect } from 'chai';

import { eventually } from '../../support/eventually.ts';
import type { Answer, OpenedMonitor } from './opened-monitor.ts';

/** Checks that /health answers as documented, also if the registry does not answer. */
const LIMIT_MS = 2_000;

export async function askInTime(monitor: OpenedMonitor, target: string): Promise<Answer> {
  const begun = performance.now();
  const answer = await monitor.ask(target);
  expect(performance.now() - begun, `ms for ${target}`).to.be.below(LIMIT_MS);
  return answer;
}

export async function untilHealthy(monitor: OpenedMonitor): Promise<void> {
  await eventually(async () => (await monitor.ask('/health')).status === 200, 'it is healthy again');
  expect((await monitor.ask('/readyz')).json).to.deep.equal({ status: 'ok', reason: null });
}

export async function expectUnavailable(monitor: OpenedMonitor, reason: RegExp): Promise<void> {
  const health = await askInTime(monitor, '/health');
  expect(health.status).to.equal(503);
  expect(health.json).to.deep.include({ status: 'critical' });
  expect(health.json.registry.ok).to.equal(false);
  expect(health.json.registry.message).to.match(reason);
  expect(health.json.reasons[0]).to.match(reason);
  expect((await askInTime(monitor, '/readyz')).status).to.equal(503);
  expect((await askInTime(monitor, '/livez')).status).to.equal(200);
}
