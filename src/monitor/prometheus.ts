/** Renders the metrics for Prometheus. They are read from the registry at each scrape, so that they survive a restart of the monitor. */
import { Counter, Gauge, Registry as Scrape, type Metric } from 'prom-client';

import { RUN_STATUSES } from '../model/run.ts';
import { SESSION_STATUSES, type StoredSession } from '../model/session.ts';
import type { RegistryMetrics, StoredHistogram } from '../registry/registry.ts';
import type { StuckReport } from '../upkeep/upkeep.ts';
import { measureData } from './memory-watch.ts';
import type { OwnerLabels } from './owner-labels.ts';

const PREFIX = 'webdriver_supervisor_';

export interface ScrapeFacts {
  /** Undefined if the registry can't be used. */
  readonly numbers: RegistryNumbers | undefined;
  readonly isLeader: boolean;
  readonly ownerLabels: OwnerLabels;
}

export interface RegistryNumbers {
  readonly metrics: RegistryMetrics;
  readonly live: readonly StoredSession[];
  readonly report: StuckReport;
  readonly lastCleanupSeconds: number | null;
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

interface MetricSpec<Facts> {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly labels?: readonly string[];
  /** Returns null if there is no value yet. */
  readonly read: (facts: Facts) => number | null | readonly Sample[];
}

const MONITOR_METRICS: readonly MetricSpec<ScrapeFacts>[] = [
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the monitor process in bytes.',
    read: () => process.memoryUsage.rss(),
  },
  {
    name: 'monitor_data_bytes',
    type: 'gauge',
    help: "Size of the monitor's own data (JavaScript heap and buffers) in bytes. SESSION_MAX_MEMORY_MB is its limit.",
    read: () => measureData(),
  },
  {
    name: 'monitor_is_leader',
    type: 'gauge',
    help: '1 if this monitor is the leader of its registry, otherwise 0.',
    read: ({ isLeader }) => Number(isLeader),
  },
  {
    name: 'registry_up',
    type: 'gauge',
    help: '1 if the registry answers, otherwise 0.',
    read: ({ numbers }) => Number(numbers !== undefined),
  },
];

type Numbers = RegistryNumbers & Pick<ScrapeFacts, 'ownerLabels'>;

const REGISTRY_METRICS: readonly MetricSpec<Numbers>[] = [
  {
    name: 'sessions',
    type: 'gauge',
    help: 'Number of sessions in the registry by status, ended ones included.',
    labels: ['status'],
    read: ({ metrics }) => byStatus(SESSION_STATUSES, metrics.sessionsByStatus),
  },
  {
    name: 'sessions_created_total',
    type: 'counter',
    help: 'Number of sessions started by owner. Runs without an owner of their own have an empty owner; owners beyond the first 200 share "other".',
    labels: ['owner'],
    read: ({ metrics, ownerLabels }) =>
      toSamples(ownerLabels.label(metrics.sessionsCreated, (one, other) => one + other)),
  },
  {
    name: 'sessions_reused_total',
    type: 'counter',
    help: 'Number of units of work that began on an existing session.',
    read: ({ metrics }) => metrics.sessionsReused,
  },
  {
    name: 'session_reuse_ratio',
    type: 'gauge',
    help: 'Sessions reused / (sessions reused + sessions created), from 0 to 1.',
    read: ({ metrics }) => metrics.reuseRatio,
  },
  {
    name: 'rapid_session_creates_total',
    type: 'counter',
    help: 'Number of sessions created within 10 s after another session of the same owner.',
    read: ({ metrics }) => metrics.rapidCreates,
  },
  {
    name: 'context_loss_total',
    type: 'counter',
    help: 'Number of times that work found another session than the one it began with.',
    read: ({ metrics }) => metrics.contextLosses,
  },
  {
    name: 'session_deaths_total',
    type: 'counter',
    help: 'Number of session deaths by cause, detector and reason.',
    labels: ['cause', 'detected_by', 'reason'],
    read: ({ metrics }) =>
      metrics.deaths.map(({ cause, detectedBy, reason, number }) => [
        { cause, detected_by: detectedBy, reason },
        number,
      ]),
  },
  {
    name: 'work_cancelled_total',
    type: 'counter',
    help: 'Number of units of work that a session death cancelled, by their state.',
    labels: ['state'],
    read: ({ metrics }) => labelled('state', metrics.workCancelled),
  },
  {
    name: 'runs',
    type: 'gauge',
    help: 'Number of runs in the registry by status.',
    labels: ['status'],
    read: ({ metrics }) => byStatus(RUN_STATUSES, metrics.runsByStatus),
  },
  {
    name: 'run_steps_total',
    type: 'counter',
    help: 'Number of units of work that ended, by their latest status. A failed unit that a resumed run finishes moves to done.',
    labels: ['status'],
    read: ({ metrics }) => labelled('status', metrics.stepsByStatus),
  },
  {
    name: 'heartbeat_age_seconds',
    type: 'gauge',
    help: 'Seconds since the last heartbeat of the live session by owner; the largest value of the sessions that share a label.',
    labels: ['owner'],
    read: ({ live, ownerLabels }) => toSamples(ownerLabels.label(heartbeatAges(live), Math.max)),
  },
  {
    name: 'stuck_sessions',
    type: 'gauge',
    help: 'Number of runs and sessions without progress for longer than their timeout.',
    read: ({ report }) => report.stuck.length,
  },
  {
    name: 'long_running_sessions',
    type: 'gauge',
    help: 'Number of runs and sessions without progress for longer than the warning threshold.',
    read: ({ report }) => report.longRunning.length,
  },
  {
    name: 'processing_sessions',
    type: 'gauge',
    help: 'Number of live sessions with a run that is processing.',
    read: ({ report }) => report.processing,
  },
  {
    name: 'cleanup_runs_total',
    type: 'counter',
    help: 'Number of clean-ups.',
    read: ({ metrics }) => metrics.cleanups.runs,
  },
  {
    name: 'cleanup_removed_total',
    type: 'counter',
    help: 'Number of rows that clean-ups removed.',
    read: ({ metrics }) => metrics.cleanups.removed,
  },
  {
    name: 'cleanup_failures_total',
    type: 'counter',
    help: 'Number of clean-ups that failed completely or in part.',
    read: ({ metrics }) => metrics.cleanups.failures,
  },
  {
    name: 'cleanup_last_run_timestamp_seconds',
    type: 'gauge',
    help: 'Unix time of the end of the last clean-up in seconds.',
    read: ({ metrics: { cleanups } }) => (cleanups.lastAt === null ? null : Date.parse(cleanups.lastAt) / 1_000),
  },
  {
    name: 'cleanup_duration_seconds',
    type: 'gauge',
    help: 'Duration of the last clean-up in seconds.',
    read: ({ lastCleanupSeconds }) => lastCleanupSeconds,
  },
  {
    name: 'average_session_duration_seconds',
    type: 'gauge',
    help: 'Average duration of ended sessions in seconds, over the last 1000 sessions of each status.',
    read: ({ metrics }) => metrics.averageSessionSeconds,
  },
  {
    name: 'registry_size_bytes',
    type: 'gauge',
    help: 'Size of the registry database in bytes.',
    read: ({ metrics }) => metrics.registryBytes,
  },
];

/** Returns the metrics in the text format of Prometheus, and its content type. */
export async function renderMetrics(
  facts: ScrapeFacts,
): Promise<{ readonly contentType: string; readonly text: string }> {
  const { numbers, ownerLabels } = facts;
  const scrape = new Scrape();
  for (const spec of MONITOR_METRICS) add(scrape, spec, facts);
  if (numbers !== undefined) {
    for (const spec of REGISTRY_METRICS) add(scrape, spec, { ...numbers, ownerLabels });
    const { deathDetection, recovery } = numbers.metrics;
    addHistogram(scrape, 'session_death_detection_seconds', {
      help: 'Time from the last sign of life to the declared death in seconds.',
      histogram: deathDetection,
    });
    addHistogram(scrape, 'session_recovery_seconds', {
      help: 'Time from a death to the next running session in seconds.',
      histogram: recovery,
    });
  }
  return { contentType: scrape.contentType, text: await scrape.metrics() };
}

function add<Facts>(scrape: Scrape, { name, type, help, labels = [], read }: MetricSpec<Facts>, facts: Facts): void {
  const found = read(facts);
  if (found === null) return;
  const samples: readonly Sample[] = typeof found === 'number' ? [[{}, found]] : found;
  const options = { name: PREFIX + name, help, labelNames: [...labels], registers: [scrape] };
  const metric = type === 'gauge' ? new Gauge(options) : new Counter(options);
  for (const [values, value] of samples) metric.inc(values, value);
}

/** Adds a histogram that others observed, in the form that prom-client writes: its own histograms can only observe values themselves. */
function addHistogram(
  scrape: Scrape,
  name: string,
  { help, histogram: { buckets, sumMs, number } }: { readonly help: string; readonly histogram: StoredHistogram },
): void {
  const full = PREFIX + name;
  const values = [
    ...buckets.map(({ leMs, number: value }) => ({
      labels: { le: leMs === null ? '+Inf' : leMs / 1_000 },
      value,
      metricName: `${full}_bucket`,
    })),
    { labels: {}, value: sumMs / 1_000, metricName: `${full}_sum` },
    { labels: {}, value: number, metricName: `${full}_count` },
  ];
  const read = async () => ({ name: full, help, type: 'histogram', aggregator: 'sum', values });
  scrape.registerMetric({ name: full, help, get: read } as unknown as Metric);
}

function labelled(label: string, numbers: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(numbers).map(([name, number]) => [{ [label]: name }, number]);
}

/** Returns a sample for every status, so that a graph shows a zero and no gap. */
function byStatus(statuses: readonly string[], numbers: Readonly<Record<string, number | undefined>>): Sample[] {
  return statuses.map((status) => [{ status }, numbers[status] ?? 0]);
}

function toSamples(byOwner: ReadonlyMap<string, number>): Sample[] {
  return [...byOwner].map(([owner, value]) => [{ owner }, value]);
}

/** Returns ages by owner in seconds. The empty name has the largest age of the sessions without an owner of their own. */
function heartbeatAges(live: readonly StoredSession[]): Record<string, number> {
  const ages = new Map<string, number>();
  for (const { owner, runId, lastHeartbeatAt } of live) {
    if (lastHeartbeatAt === null) continue;
    // Such owners are made from their run's id, so that there are as many as runs.
    const name = runId !== null && owner.startsWith(runId) ? '' : owner;
    const age = Math.max(0, (Date.now() - Date.parse(lastHeartbeatAt)) / 1_000);
    ages.set(name, Math.max(age, ages.get(name) ?? 0));
  }
  return Object.fromEntries(ages);
}
