/** What happens (Server-Sent Events), what is wrong, what was, and the numbers. */
import { z } from 'zod';

import { LIVE_STATUSES } from '../../model/session.ts';
import { type Registry, type StoredEvent } from '../../registry/registry.ts';
import type { FeedItem } from '../event-feed.ts';
import { renderMetrics, type RegistryNumbers } from '../prometheus.ts';
import { ClientLimit } from './client-limit.ts';
import type { RouteContext } from './context.ts';
import { eventsHeaders, eventsQuery, timelineQuery } from './inputs.ts';
import type { Server } from './server-type.ts';
import * as shapes from './shapes.ts';
import { readTimeline } from './timeline.ts';
import { toAlertView, toEventView, toStatisticsView } from './views.ts';

/** Browsers have six connections to a host; programs have what they like. */
const READERS = { noun: 'streams of events', code: 'too-many-readers', total: 200, perClient: 50 };

export function addEventRoutes(server: Server, context: RouteContext): void {
  const { link, feed, closing, toRun, facts, ownerLabels } = context;
  const readers = new ClientLimit(READERS);

  server.get(
    '/events',
    {
      sse: 'only',
      // Of a stream there is no head without it.
      exposeHeadRoute: false,
      schema: {
        summary:
          'Server-Sent Events: each as data {type, session_id, run_id, owner, status, message, timestamp}; `event: progress` has the runs being worked on',
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
        // Whoever was too slow for what is sent, and goes away, is waited for by nobody else.
        void messages.return();
      });
      // Before there is anything to tell, and also while the registry is down.
      reply.sse.sendHeaders();
      reply.raw.flushHeaders();
      await reply.sse.send(messages);
    },
  );

  server.get(
    '/alerts',
    {
      schema: {
        summary: 'What is wrong now',
        response: { 200: z.object({ alerts: z.array(shapes.alert) }), 503: shapes.failure },
      },
    },
    async () => {
      const alerts = await link.use((registry) => registry.alerts.list());
      return { alerts: alerts.filter(({ status }) => status === 'firing').map(toAlertView) };
    },
  );

  server.get(
    '/timeline',
    {
      schema: {
        summary: 'What happened within the last minutes',
        querystring: timelineQuery,
        response: { 200: shapes.timeline, 400: shapes.failure, 503: shapes.failure },
      },
    },
    async ({ query: { minutes } }) => link.use(({ events }) => readTimeline(events, minutes)),
  );

  server.get(
    '/statistics',
    { schema: { summary: 'The registry in numbers', response: { 200: shapes.statistics, 503: shapes.failure } } },
    async () => toStatisticsView(await link.use(({ metrics }) => metrics.read())),
  );

  server.get(
    '/metrics',
    { schema: { summary: 'For Prometheus', produces: ['text/plain'], response: { 200: z.string() } } },
    async (_request, reply) => {
      const numbers = await link
        .use((registry) => readNumbers(registry, context))
        // `registry_up` tells it.
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

/** Where a reader begins: after what it has, before the latest that it asks for, or now. */
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
    // What is not settled yet follows.
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
