/** What happened within the last minutes, in buckets for charts, and each death by itself. */
import type { EventLog, EventType, StoredEvent } from '../../registry/registry.ts';
import { toDeathView } from './views.ts';

const BUCKETS = 60;
const LEAST_BUCKET_MS = 10_000;
/** More of them in one picture show nothing more. */
const MOST_EVENTS = 20_000;
const MOST_DEATHS = 500;

const COUNTED = {
  sessions_started: 'session_started',
  deaths: 'session_dead',
  timeouts: 'session_timeout',
  runs_started: 'run_started',
  runs_ended: 'run_ended',
} as const satisfies Record<string, EventType>;
type Series = keyof typeof COUNTED;
const SERIES = Object.keys(COUNTED) as Series[];

export interface Timeline {
  readonly from: string;
  readonly to: string;
  readonly bucket_seconds: number;
  readonly buckets: ({ at: string } & Record<Series, number>)[];
  readonly deaths: {
    at: string;
    owner: string | null;
    session_id: string | null;
    run_id: string | null;
    cause: string;
    detected_by: string;
    message: string | null;
  }[];
}

export async function readTimeline(events: EventLog, minutes: number): Promise<Timeline> {
  const bucketMs = Math.max(LEAST_BUCKET_MS, Math.ceil((minutes * 60) / BUCKETS) * 1_000);
  const endMs = (Math.floor(Date.now() / bucketMs) + 1) * bucketMs;
  const number = Math.ceil((minutes * 60_000) / bucketMs);
  const beginMs = endMs - number * bucketMs;
  const since = new Date(beginMs).toISOString();
  const found = await events.listLatest({ limit: MOST_EVENTS, types: Object.values(COUNTED), since });
  const buckets = Array.from({ length: number }, (_unused, index) => ({
    at: new Date(beginMs + index * bucketMs).toISOString(),
    ...(Object.fromEntries(SERIES.map((name) => [name, 0])) as Record<Series, number>),
  }));
  for (const { type, at } of found) {
    const bucket = buckets[Math.floor((Date.parse(at) - beginMs) / bucketMs)];
    const name = SERIES.find((one) => COUNTED[one] === type);
    if (bucket !== undefined && name !== undefined) bucket[name] += 1;
  }
  return {
    from: since,
    to: new Date(endMs).toISOString(),
    bucket_seconds: bucketMs / 1_000,
    buckets,
    deaths: found
      .filter(({ type }) => type === 'session_dead')
      .slice(-MOST_DEATHS)
      .map(toDeath),
  };
}

function toDeath({ at, owner, sessionId, runId, message, data }: StoredEvent): Timeline['deaths'][number] {
  // What the death says of itself; else what its event does.
  const death = toDeathView({ message, ...data });
  return { at, owner, session_id: sessionId, run_id: runId, ...death };
}
