/** The numbers for Prometheus. All of them come from the registry at each scrape, so that they survive any restart of the monitor. */
import { Counter, Gauge, Registry as Scrape, type Metric } from 'prom-client';

import { RUN_STATUSES } from '../model/run.ts';
import { SESSION_STATUSES, type StoredSession } from '../model/session.ts';
import { type RegistryMetrics, type StoredHistogram } from '../registry/registry.ts';
import type { StuckReport } from '../upkeep/upkeep.ts';
import { measureData } from './memory.ts';
import type { OwnerLabels } from './owner-labels.ts';

const PREFIX = 'webdriver_supervisor_';

export interface ScrapeFacts {
  /** Undefined where the registry can't be used. */
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
  /** Null where there is nothing to say yet. */
  readonly read: (facts: Facts) => number | null | readonly Sample[];
}

const OF_MONITOR: readonly MetricSpec<ScrapeFacts>[] = [
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Memory of the monitor process.',
    read: () => process.memoryUsage.rss(),
  },
  {
    name: 'monitor_data_bytes',
    type: 'gauge',
    help: 'Of it, what its own data take: what SESSION_MAX_MEMORY_MB limits.',
    read: () => measureData(),
  },
  {
    name: 'monitor_is_leader',
    type: 'gauge',
    help: 'Whether this monitor does the work of its registry.',
    read: ({ isLeader }) => Number(isLeader),
  },
  {
    name: 'registry_up',
    type: 'gauge',
    help: 'Whether the registry answers.',
    read: ({ numbers }) => Number(numbers !== undefined),
  },
];

type Numbers = RegistryNumbers & Pick<ScrapeFacts, 'ownerLabels'>;

const OF_REGISTRY: readonly MetricSpec<Numbers>[] = [
  {
    name: 'sessions',
    type: 'gauge',
    help: 'Sessions in the registry, history included.',
    labels: ['status'],
    read: ({ metrics }) => byStatus(SESSION_STATUSES, metrics.sessionsByStatus),
  },
  {
    name: 'sessions_created_total',
    type: 'counter',
    help: 'Sessions started by owner; runs without an owner of their own have an empty one, and beyond 200 owners the rest is "other".',
    labels: ['owner'],
    read: ({ metrics, ownerLabels }) =>
      toSamples(ownerLabels.label(metrics.sessionsCreated, (one, other) => one + other)),
  },
  {
    name: 'sessions_reused_total',
    type: 'counter',
    help: 'Units of work begun on a session that was handed down.',
    read: ({ metrics }) => metrics.sessionsReused,
  },
  {
    name: 'session_reuse_ratio',
    type: 'gauge',
    help: 'Reused / (reused + created).',
    read: ({ metrics }) => metrics.reuseRatio,
  },
  {
    name: 'rapid_session_creates_total',
    type: 'counter',
    help: 'Second sessions of an owner within 10 s.',
    read: ({ metrics }) => metrics.rapidCreates,
  },
  {
    name: 'context_loss_total',
    type: 'counter',
    help: 'Work that met another session than the one it began with.',
    read: ({ metrics }) => metrics.contextLosses,
  },
  {
    name: 'session_deaths_total',
    type: 'counter',
    help: 'Deaths of sessions.',
    labels: ['cause', 'detected_by'],
    read: ({ metrics }) =>
      metrics.deaths.map(({ cause, detectedBy, number }) => [{ cause, detected_by: detectedBy }, number]),
  },
  {
    name: 'work_cancelled_total',
    type: 'counter',
    help: 'Units of work that a death cancelled.',
    labels: ['state'],
    read: ({ metrics }) => labelled('state', metrics.workCancelled),
  },
  {
    name: 'runs',
    type: 'gauge',
    help: 'Runs in the registry.',
    labels: ['status'],
    read: ({ metrics }) => byStatus(RUN_STATUSES, metrics.runsByStatus),
  },
  {
    name: 'run_steps_total',
    type: 'counter',
    help: 'Units of work that are over, at their latest status; a failed one that a resume finishes goes over to done.',
    labels: ['status'],
    read: ({ metrics }) => labelled('status', metrics.stepsByStatus),
  },
  {
    name: 'heartbeat_age_seconds',
    type: 'gauge',
    help: 'Of live sessions: since their last sign of life; the oldest of those without an owner of their own.',
    labels: ['owner'],
    read: ({ live, ownerLabels }) => toSamples(ownerLabels.label(heartbeatAges(live), Math.max)),
  },
  {
    name: 'stuck_sessions',
    type: 'gauge',
    help: 'Runs and sessions without progress beyond their timeout.',
    read: ({ report }) => report.stuck.length,
  },
  {
    name: 'long_running_sessions',
    type: 'gauge',
    help: 'The same beyond the warning threshold.',
    read: ({ report }) => report.longRunning.length,
  },
  {
    name: 'processing_sessions',
    type: 'gauge',
    help: 'Live sessions with a run that is being worked on.',
    read: ({ report }) => report.processing,
  },
  { name: 'cleanup_runs_total', type: 'counter', help: 'Clean-ups.', read: ({ metrics }) => metrics.cleanups.runs },
  {
    name: 'cleanup_removed_total',
    type: 'counter',
    help: 'Rows that clean-ups removed.',
    read: ({ metrics }) => metrics.cleanups.removed,
  },
  {
    name: 'cleanup_failures_total',
    type: 'counter',
    help: 'Clean-ups that failed in part or as a whole.',
    read: ({ metrics }) => metrics.cleanups.failures,
  },
  {
    name: 'cleanup_last_run_timestamp_seconds',
    type: 'gauge',
    help: 'When the last clean-up ended.',
    read: ({ metrics: { cleanups } }) => (cleanups.lastAt === null ? null : Date.parse(cleanups.lastAt) / 1_000),
  },
  {
    name: 'cleanup_duration_seconds',
    type: 'gauge',
    help: 'Of the last clean-up.',
    read: ({ lastCleanupSeconds }) => lastCleanupSeconds,
  },
  {
    name: 'average_session_duration_seconds',
    type: 'gauge',
    help: 'Of the last thousand of each status that ended.',
    read: ({ metrics }) => metrics.averageSessionSeconds,
  },
  {
    name: 'registry_size_bytes',
    type: 'gauge',
    help: 'Of the registry.',
    read: ({ metrics }) => metrics.registryBytes,
  },
];

/** Prometheus' text format, and its content type. */
export async function renderMetrics(
  facts: ScrapeFacts,
): Promise<{ readonly contentType: string; readonly text: string }> {
  const { numbers, ownerLabels } = facts;
  const scrape = new Scrape();
  for (const spec of OF_MONITOR) add(scrape, spec, facts);
  if (numbers !== undefined) {
    for (const spec of OF_REGISTRY) add(scrape, spec, { ...numbers, ownerLabels });
    const { deathDetection, recovery } = numbers.metrics;
    addHistogram(scrape, 'session_death_detection_seconds', {
      help: 'From the last sign of life to the declared death.',
      histogram: deathDetection,
    });
    addHistogram(scrape, 'session_recovery_seconds', {
      help: 'From a death to the next session that runs.',
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

/** prom-client's own can only observe; what others have observed is handed to it in the form that it writes. */
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

/** All of them, so that a graph shows a zero and no gap. */
function byStatus(statuses: readonly string[], numbers: Readonly<Record<string, number | undefined>>): Sample[] {
  return statuses.map((status) => [{ status }, numbers[status] ?? 0]);
}

function toSamples(byOwner: ReadonlyMap<string, number>): Sample[] {
  return [...byOwner].map(([owner, value]) => [{ owner }, value]);
}

/** By owner, in seconds; under the empty name the oldest of those without an owner of their own. */
function heartbeatAges(live: readonly StoredSession[]): Record<string, number> {
  const ages = new Map<string, number>();
  for (const { owner, runId, lastHeartbeatAt } of live) {
    if (lastHeartbeatAt === null) continue;
    // Owners that are only their run's id are as many as runs.
    const name = runId !== null && owner.startsWith(runId) ? '' : owner;
    const age = Math.max(0, (Date.now() - Date.parse(lastHeartbeatAt)) / 1_000);
    ages.set(name, Math.max(age, ages.get(name) ?? 0));
  }
  return Object.fromEntries(ages);
}
