/** Routes that list, end and reset sessions. */
import { z } from 'zod';

import { LIVE_STATUSES } from '../../model/session.ts';
import type { TimedOut } from '../../registry/registry.ts';
import type { RouteContext } from './context.ts';
import { HttpFailure, notFound } from './failures.ts';
import { idParams, resetBody, sessionsQuery, toListFilter, toNext } from './inputs.ts';
import type { RouteOptions } from './route-options.ts';
import type { Server } from './server-type.ts';
import * as shapes from './shapes.ts';
import { toSessionView, toStuckView } from './views.ts';

const ended = z.object({ id: z.string(), status: z.enum(['ended']) });
const reset = z.object({
  dry_run: z.boolean(),
  count: z
    .int()
    .meta({ description: 'the number of sessions and runs that were reset, or in a dry run that would be reset' }),
  runs: z.array(z.string()),
  sessions: z.array(z.string()),
  stuck: z.array(shapes.stuckSession).meta({ description: 'the stuck work that was found' }),
});

/** Longer than for reads, because a change may write very many rows. */
const CHANGE_LIMIT_MS = 10_000;

export function addSessionRoutes(server: Server, context: RouteContext, { change, paged }: RouteOptions): void {
  const { link, look } = context;

  server.get(
    '/sessions',
    {
      ...paged,
      schema: {
        summary: 'Sessions, the newest first',
        querystring: sessionsQuery,
        response: { 200: shapes.sessions, 400: shapes.failure, 503: shapes.failure },
      },
    },
    async ({ query: { status, ...query } }) => {
      const asked = status === 'live' ? LIVE_STATUSES : status;
      const page = await link.use((registry) => registry.sessions.listPage(toListFilter({ ...query, status: asked })));
      return { sessions: page.rows.map(toSessionView), count: page.rows.length, next: toNext(page) };
    },
  );

  server.get(
    '/sessions/:id',
    {
      schema: {
        summary: 'One session',
        params: idParams,
        response: { 200: shapes.session, 400: shapes.failure, 404: shapes.failure, 503: shapes.failure },
      },
    },
    async ({ params: { id } }) => {
      const session = await link.use((registry) => registry.sessions.get(id));
      if (session === undefined) throw notFound('session', id);
      return toSessionView(session);
    },
  );

  server.post(
    '/sessions/:id/end',
    {
      ...change,
      schema: {
        summary: 'End a live session, even if a program uses it',
        security: [{ token: [] }],
        params: idParams,
        response: {
          200: ended,
          400: shapes.failure,
          404: shapes.failure,
          409: shapes.failure,
          503: shapes.failure,
        },
      },
    },
    async ({ params: { id } }) => {
      const result = await link.use((registry) => context.endSession(registry, id), CHANGE_LIMIT_MS);
      if (result === 'missing') throw notFound('session', id);
      if (result === 'over') throw new HttpFailure(409, 'already-over', `The session ${id} has already ended.`);
      return { id, status: result };
    },
  );

  server.post(
    '/reset-stuck',
    {
      ...change,
      schema: {
        summary: 'Time out stuck runs and sessions; their data are stored, and the runs can be resumed',
        security: [{ token: [] }],
        body: resetBody.nullish(),
        response: {
          200: reset,
          400: shapes.failure,
          503: shapes.failure,
        },
      },
    },
    async ({ body }) => {
      const { ids, timeout_minutes: minutes, dry_run: isDry = false } = body ?? {};
      return link.use(async (registry) => {
        const report = await look(registry, minutes === undefined ? undefined : minutes * 60_000);
        const asked = ids === undefined ? undefined : new Set(ids);
        const stuck = report.stuck.filter(
          ({ runId, sessionId }) => asked === undefined || asked.has(runId ?? '') || asked.has(sessionId ?? ''),
        );
        const done = isDry
          ? {
              runIds: stuck.map(({ runId }) => runId).filter((id) => id !== null),
              sessionIds: stuck.map(({ sessionId }) => sessionId).filter((id) => id !== null),
            }
          : toIds(await context.timeOut(registry, stuck));
        const changed = new Set([...done.runIds, ...done.sessionIds]);
        return {
          dry_run: isDry,
          count: stuck.filter(({ runId, sessionId }) => changed.has(runId ?? sessionId ?? '')).length,
          runs: [...done.runIds],
          sessions: [...done.sessionIds],
          stuck: stuck.map(toStuckView),
        };
      }, CHANGE_LIMIT_MS);
    },
  );
}

function toIds(done: TimedOut): { readonly runIds: readonly string[]; readonly sessionIds: readonly string[] } {
  return { runIds: done.runIds, sessionIds: done.sessions.map(({ id }) => id) };
}
