/** Routes of events (Server-Sent Events), alerts, the timeline, statistics and metrics. */
import { z } from 'zod';

import { LIVE_STATUSES } from '../../model/session.ts';
import type { Registry, StoredEvent } from '../../registry/registry.ts';
import type { FeedItem } from '../event-feed.ts';
import { listFiring } from '../health.ts';
import { renderMetrics, type RegistryNumbers } from '../prometheus.ts';
import { ClientLimit } from './client-limit.ts';
import type { RouteContext } from './context.ts';
import { eventsHeaders, eventsQuery, timelineQuery } from './inputs.ts';
import type { Server } from './server-type.ts';
import * as shapes from './shapes.ts';
import { readTimeline } from './timeline.ts';
import { toAlertView, toEventView, toStatisticsView } from './views.ts';

/** A browser opens at most six connections to a host; a program may open any number. */
const READER_LIMITS = { noun: 'streams of events', code: 'too-many-readers', total: 200, perClient: 50 };

export function addEventRoutes(server: Server, context: RouteContext): void {
  const { link, feed, closing, toRun, facts, ownerLabels } = context;
  const readers = new ClientLimit(READER_LIMITS);

  server.get(
    '/events',
    {
      sse: 'only',
      // A stream has no HEAD route.
      exposeHeadRoute: false,
      schema: {
        summary:
          'Server-Sent Events: each has data {type, session_id, run_id, owner, status, message, timestamp}; `event: progress` has the runs in progress',
        querystring: eventsQuery,
        headers: eventsHeaders,
        produces: ['text/event-stream'],
      },
    },
    async (request, reply) => {
      readers.hold(request, reply);
      const { owner, last } = request.query;
      const { after, first } = await begin(context, { lastEventId: request.headers['last-event-id'], last, owner });
      const over = new AbortController();
      const signal = AbortSignal.any([over.signal, closing]);
      const messages = toMessages(first, feed.follow({ after, owner, signal }), toRun);
      reply.sse.onClose(() => {
        over.abort();
        // A slow reader that disconnects must not delay others.
        void messages.return();
      });
      // The headers are sent before the first event, even if the registry is down.
      reply.sse.sendHeaders();
      reply.raw.flushHeaders();
      await reply.sse.send(messages);
    },
  );

  server.get(
    '/alerts',
    {
      schema: {
        summary: 'The firing alerts',
        response: { 200: shapes.alerts, 503: shapes.failure },
      },
    },
    async () => {
      const alerts = await link.use(listFiring);
      return { alerts: alerts.map(toAlertView) };
    },
  );

  server.get(
    '/timeline',
    {
      schema: {
        summary: 'The events of the last minutes in buckets, and each death',
        querystring: timelineQuery,
        response: { 200: shapes.timeline, 400: shapes.failure, 503: shapes.failure },
      },
    },
    async ({ query: { minutes } }) => link.use(({ events }) => readTimeline(events, minutes)),
  );

  server.get(
    '/statistics',
    {
      schema: { summary: 'The statistics of the registry', response: { 200: shapes.statistics, 503: shapes.failure } },
    },
    async () => toStatisticsView(await link.use(({ metrics }) => metrics.read())),
  );

  server.get(
    '/metrics',
    { schema: { summary: 'The metrics for Prometheus', produces: ['text/plain'], response: { 200: z.string() } } },
    async (_request, reply) => {
      const numbers = await link
        .use((registry) => readNumbers(registry, context))
        // The metric `registry_up` reports the failure.
        .catch(() => undefined);
      const { contentType, text } = await renderMetrics({ numbers, isLeader: facts().isLeader, ownerLabels });
      return reply.header('content-type', contentType).send(text);
    },
  );
}

async function readNumbers(registry: Registry, { look }: RouteContext): Promise<RegistryNumbers> {
  const [metrics, live, report, [cleanup]] = await Promise.all([
    registry.metrics.read(),
    registry.sessions.list({ status: LIVE_STATUSES }),
    look(registry),
    registry.events.listLatest({ limit: 1, types: ['cleanup'] }),
  ]);
  const durationMs = cleanup?.data?.['durationMs'];
  return { metrics, live, report, lastCleanupSeconds: typeof durationMs === 'number' ? durationMs / 1_000 : null };
}

/** Returns the position at which a stream begins: after the reader's last event, with the requested number of latest events, or now. */
async function begin(
  { link }: RouteContext,
  {
    lastEventId,
    last,
    owner,
  }: { readonly lastEventId: string | undefined; readonly last: number; readonly owner: string | undefined },
): Promise<{ readonly after: number; readonly first: readonly StoredEvent[] }> {
  if (lastEventId !== undefined && lastEventId !== '') return { after: Number(lastEventId), first: [] };
  return link.use(async ({ events }) => {
    const settledId = await events.settledId();
    const latest = last === 0 ? [] : await events.listLatest({ limit: last, ...(owner !== undefined && { owner }) });
    // Events that are not settled yet follow in the stream.
    return { after: settledId, first: latest.filter(({ id }) => id <= settledId) };
  });
}

async function* toMessages(
  first: readonly StoredEvent[],
  items: AsyncGenerator<FeedItem>,
  toRun: RouteContext['toRun'],
) {
  for (const event of first) yield toMessage(event);
  for await (const item of items) {
    if (item.kind === 'event') yield toMessage(item.event);
    else yield { event: 'progress', data: { runs: item.runs.map(toRun) } };
  }
}

function toMessage(event: StoredEvent): { readonly id: string; readonly data: object } {
  return { id: String(event.id), data: toEventView(event) };
}
