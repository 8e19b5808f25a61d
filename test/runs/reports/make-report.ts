import type { RunReport } from '../../../src/runs/reports/report-facts.ts';

/** Returns the facts of an ordinary run without deaths, except for those of `change`, and of `outcome` within its outcome. */
export function makeReport(change: Partial<RunReport> = {}, outcome: Partial<RunReport['outcome']> = {}): RunReport {
  return {
    outcome: {
      runId: '20261120-181500-4f9a2c',
      action: 'gather',
      status: 'completed',
      owner: 'ann',
      counts: { total: 2, done: 2, failed: 0, cancelled: 0, skipped: 0 },
      records: 3,
      sessions: 1,
      deaths: [],
      error: null,
      warnings: [],
      repeatedEffects: [],
      durationMs: 40_000,
      outputs: { records: 'output/records.jsonl' },
      report: null,
      ...outcome,
    },
    startedAt: '2026-11-20T18:15:00.000Z',
    endedAt: '2026-11-20T18:15:40.000Z',
    isResumed: false,
    throughput: { startedMs: Date.parse('2026-11-20T18:15:00.000Z'), bucketMs: 20_000, units: [1, 1], records: [1, 2] },
    slowest: [{ batch: null, key: 'log in', tookMs: 1_200 }],
    failedSteps: [],
    sessions: [],
    samples: [{ dataset: 'records', records: 3, first: ['{"title":"one"}'] }],
    recordings: new Map(),
    params: { url: 'http://shop/' },
    options: { format: 'jsonl' },
    settings: [],
    links: new Map([['records', 'records.jsonl']]),
    next: 'npm run action -- gather',
    version: '0.2.0',
    ...change,
  };
}
