/** Counts the events of the last minutes in buckets for charts, and lists each death. */
import type { EventLog, EventType, StoredEvent } from '../../registry/registry.ts';
import { toDeathView } from './views.ts';

const BUCKETS = 60;
const MIN_BUCKET_MS = 10_000;
/** The maximum number of deaths in a timeline. More of them could not be told apart in a chart. */
const MAX_DEATHS = 500;

const EVENT_TYPE_OF_SERIES = {
  sessions_started: 'session_started',
  deaths: 'session_dead',
  timeouts: 'session_timeout',
  runs_started: 'run_started',
  runs_ended: 'run_ended',
} as const satisfies Record<string, EventType>;
type Series = keyof typeof EVENT_TYPE_OF_SERIES;
const SERIES = Object.keys(EVENT_TYPE_OF_SERIES) as Series[];

export interface Timeline {
  readonly from: string;
  readonly to: string;
  readonly bucket_seconds: number;
  readonly buckets: ({ at: string } & Record<Series, number>)[];
  readonly deaths: (ReturnType<typeof toDeathView> & {
    at: string;
    owner: string | null;
    session_id: string | null;
    run_id: string | null;
  })[];
}

/** Returns the timeline of the last `minutes`. The last bucket contains the current moment and is incomplete. */
export async function readTimeline(events: EventLog, minutes: number): Promise<Timeline> {
  const bucketMs = Math.max(MIN_BUCKET_MS, Math.ceil((minutes * 60) / BUCKETS) * 1_000);
  const endMs = (Math.floor(Date.now() / bucketMs) + 1) * bucketMs;
  const bucketCount = Math.ceil((minutes * 60_000) / bucketMs);
  const beginMs = endMs - bucketCount * bucketMs;
  const from = toTime(beginMs);
  const buckets: Timeline['buckets'] = [];
  // The buckets are counted one at a time: there may be very many events, and other requests must be answered meanwhile.
  for (let index = 0; index < bucketCount; index += 1) {
    const at = toTime(beginMs + index * bucketMs);
    const window = { from: at, to: toTime(beginMs + (index + 1) * bucketMs) };
    const counts = await events.countByType({ types: Object.values(EVENT_TYPE_OF_SERIES), ...window });
    const bySeries = SERIES.map((name) => [name, counts[EVENT_TYPE_OF_SERIES[name]] ?? 0]);
    buckets.push({ at, ...(Object.fromEntries(bySeries) as Record<Series, number>) });
  }
  const deaths = await events.listLatest({ limit: MAX_DEATHS, types: [EVENT_TYPE_OF_SERIES.deaths], since: from });
  return { from, to: toTime(endMs), bucket_seconds: bucketMs / 1_000, buckets, deaths: deaths.map(toDeath) };
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}

function toDeath({ at, owner, sessionId, runId, message, data }: StoredEvent): Timeline['deaths'][number] {
  // The fields of the death take precedence over those of its event.
  const death = toDeathView({ message, ...data });
  return { at, owner, session_id: sessionId, run_id: runId, ...death };
}
