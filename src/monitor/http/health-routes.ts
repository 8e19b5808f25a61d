/** Routes of liveness, readiness and health. */
import { z } from 'zod';

import { toError } from '../../core/errors.ts';
import { LIVE_STATUSES } from '../../model/session.ts';
import { findClockTrouble } from '../clock.ts';
import { readHealth, worstOf, type HealthReport } from '../health.ts';
import type { RouteContext } from './context.ts';
import type { Server } from './server-type.ts';
import * as shapes from './shapes.ts';
import { toHealthView, toStuckView, toThresholdsView } from './views.ts';

const alive = z.object({ status: z.enum(['ok', 'unavailable']), reason: z.string().nullable() });

export function addHealthRoutes(server: Server, context: RouteContext): void {
  const { link, limits, facts, probe, look } = context;

  server.get(
    '/livez',
    { schema: { summary: 'Shows that the program runs', security: [], response: { 200: alive } } },
    async () => ({
      status: 'ok' as const,
      reason: null,
    }),
  );

  server.get(
    '/readyz',
    {
      schema: {
        summary: 'Shows if it can answer: the registry can be used, and the monitor is not stopping',
        security: [],
        response: { 200: alive, 503: alive },
      },
    },
    async (_request, reply) => {
      const isWell = (await troubleOf(probe)) === null;
      // This route needs no token, so that it gives no details. They are in /health.
      const reason = facts().isClosing
        ? 'The monitor is being stopped.'
        : isWell
          ? null
          : 'The registry can’t be used.';
      return reply.code(reason === null ? 200 : 503).send({ status: reason === null ? 'ok' : 'unavailable', reason });
    },
  );

  server.get(
    '/health',
    {
      schema: {
        summary: 'The health of everything; 503 if it is critical or unknown',
        response: { 200: shapes.healthAnswer, 503: shapes.healthAnswer },
      },
    },
    async (_request, reply) => {
      const { trouble, clockTrouble, health: found, lastCleanupAt } = await readAll(context);
      const { isLeader, leader, isSweeperEnabled, lastSweepAt, isCleanupEnabled, isClosing } = facts();
      const reasons = [
        ...[trouble, clockTrouble].filter((reason) => reason !== null),
        ...(isClosing ? ['The monitor is being stopped.'] : []),
        ...(found?.reasons ?? []),
      ];
      const status = worstOf([
        found?.status ?? 'critical',
        trouble === null && !isClosing ? 'healthy' : 'critical',
        clockTrouble === null ? 'healthy' : 'warning',
      ]);
      const view = found === null ? null : toHealthView(found, limits).metrics;
      return reply.code(status === 'critical' ? 503 : 200).send({
        status,
        timestamp: new Date().toISOString(),
        reasons,
        registry: { ok: trouble === null, place: link.location, message: trouble },
        sessions: view && {
          ...view,
          active_sessions: found?.activeSessions ?? 0,
          utilisation: found?.utilisation ?? 0,
        },
        thresholds: toThresholdsView(limits),
        leader: { is_leader: isLeader, holder: leader },
        sweeper: { enabled: isSweeperEnabled, last_at: lastSweepAt?.toISOString() ?? null },
        cleanup: { enabled: isCleanupEnabled, last_at: lastCleanupAt },
      });
    },
  );

  server.get(
    '/health/sessions',
    {
      schema: {
        summary: 'The numbers of sessions and of stuck work',
        response: { 200: shapes.sessionHealth, 503: shapes.failure },
      },
    },
    async () =>
      link.use(async (registry) =>
        toHealthView(await readHealth(registry, { report: await look(registry), limits }), limits),
      ),
  );

  server.get(
    '/health/sessions/stuck',
    {
      schema: {
        summary: 'The runs and sessions without progress, the longest first',
        response: { 200: shapes.stuckSessions, 503: shapes.failure },
      },
    },
    async () =>
      link.use(async (registry) => {
        const { stuck } = await look(registry);
        return { stuck_sessions: stuck.map(toStuckView), count: stuck.length };
      }),
  );
}

interface Known {
  /** Why the registry can't be used or written to; null if it can. */
  readonly trouble: string | null;
  /** Why nothing is timed out; null if the clocks agree. */
  readonly clockTrouble: string | null;
  readonly health: HealthReport | null;
  readonly lastCleanupAt: string | null;
}

/** Reads and probes at the same time, so that the answer comes in time. */
async function readAll({ link, limits, probe, look }: RouteContext): Promise<Known> {
  const reading = link.use(async (registry) => {
    const [health, [lastCleanup], clockTrouble] = await Promise.all([
      look(registry).then((report) => readHealth(registry, { report, limits })),
      registry.events.listLatest({ limit: 1, types: ['cleanup'] }),
      registry.sessions.list({ status: LIVE_STATUSES }).then((sessions) => findClockTrouble(registry, sessions)),
    ]);
    return { trouble: null, clockTrouble, health, lastCleanupAt: lastCleanup?.at ?? null };
  });
  const [trouble, known] = await Promise.all([
    troubleOf(probe),
    reading.catch((thrown: unknown) => ({
      trouble: toError(thrown).message,
      clockTrouble: null,
      health: null,
      lastCleanupAt: null,
    })),
  ]);
  return { ...known, trouble: trouble ?? known.trouble };
}

async function troubleOf(probe: () => Promise<void>): Promise<string | null> {
  try {
    await probe();
    return null;
  } catch (thrown) {
    return toError(thrown).message;
  }
}
