/** Routes that list runs and their records, and cancel runs. */
import { z } from 'zod';

import type { RecordEntry } from '../../registry/registry.ts';
import type { RouteContext } from './context.ts';
import { HttpFailure, notFound } from './failures.ts';
import { idParams, pageQuery, runsQuery, stepsQuery, toListFilter, toNext } from './inputs.ts';
import type { RouteOptions } from './route-options.ts';
import type { Server } from './server-type.ts';
import * as shapes from './shapes.ts';
import { toEventView, toStepView } from './views.ts';

const cancelled = z.object({
  id: z.string(),
  status: z
    .enum(['requested', 'cancelled'])
    .meta({ description: '`requested`: the program of the run ends it within seconds' }),
});

export function addRunRoutes(server: Server, { link, toRun }: RouteContext, { change, paged }: RouteOptions): void {
  server.get(
    '/runs',
    {
      ...paged,
      schema: {
        summary: 'Runs, the newest first',
        querystring: runsQuery,
        response: { 200: shapes.runs, 400: shapes.failure, 503: shapes.failure },
      },
    },
    async ({ query }) => {
      const page = await link.use((registry) => registry.runs.listPage({ ...toListFilter(query), hasShards: false }));
      return { runs: page.rows.map(toRun), count: page.rows.length, next: toNext(page) };
    },
  );

  server.get(
    '/runs/:id',
    {
      schema: {
        summary: 'One run',
        params: idParams,
        response: { 200: shapes.run, 400: shapes.failure, 404: shapes.failure, 503: shapes.failure },
      },
    },
    async ({ params: { id } }) => {
      const run = await link.use((registry) => registry.runs.get(id));
      if (run === undefined) throw notFound('run', id);
      return toRun(run);
    },
  );

  server.get(
    '/runs/:id/records',
    {
      ...paged,
      schema: {
        summary: 'The records of a run in the order of their export, also while it runs',
        params: idParams,
        querystring: pageQuery,
        response: { 200: shapes.records, 400: shapes.failure, 404: shapes.failure, 503: shapes.failure },
      },
    },
    async ({ params: { id }, query: { limit, after } }, reply) => {
      const page = await link.use(async (registry) => {
        if ((await registry.runs.get(id)) === undefined) return undefined;
        return registry.runs.listRecordsPage(id, { limit, ...(after !== undefined && { after }) });
      });
      if (page === undefined) throw notFound('run', id);
      // The records are sent as stored, because parsing and writing megabytes would delay all other requests, such as /livez.
      const text = `{"records":[${page.records.map(toText).join()}],"count":${page.records.length},"next":${JSON.stringify(page.next)}}`;
      return reply.type('application/json; charset=utf-8').send(text as never);
    },
  );

  server.get(
    '/runs/:id/steps',
    {
      ...paged,
      schema: {
        summary: 'Steps and items of a run, in the order in which they were declared, such as those that failed',
        params: idParams,
        querystring: stepsQuery,
        response: { 200: shapes.steps, 400: shapes.failure, 404: shapes.failure, 503: shapes.failure },
      },
    },
    async ({ params: { id }, query: { limit, after, status } }) => {
      const page = await link.use(async (registry) => {
        if ((await registry.runs.get(id)) === undefined) throw notFound('run', id);
        const asked = { ...(after !== undefined && { after }), ...(status !== undefined && { status }) };
        return registry.runs.listStepsPage(id, { limit, ...asked });
      });
      return { steps: page.steps.map(toStepView), count: page.steps.length, next: page.next };
    },
  );

  server.get(
    '/runs/:id/events',
    {
      ...paged,
      schema: {
        summary: 'Events of a run and of its sessions, the newest first',
        params: idParams,
        querystring: pageQuery,
        response: { 200: shapes.runEvents, 400: shapes.failure, 404: shapes.failure, 503: shapes.failure },
      },
    },
    async ({ params: { id }, query }) => {
      const page = await link.use(async (registry) => {
        const run = await registry.runs.get(id);
        if (run === undefined) throw notFound('run', id);
        return registry.events.listOfRun(run, toListFilter(query));
      });
      return { events: page.rows.map(toEventView), count: page.rows.length, next: toNext(page) };
    },
  );

  server.post(
    '/runs/:id/cancel',
    {
      ...change,
      schema: {
        summary: 'Ask a run to end; its finished work is stored, and it can be resumed',
        security: [{ token: [] }],
        params: idParams,
        response: {
          200: cancelled,
          400: shapes.failure,
          404: shapes.failure,
          409: shapes.failure,
          503: shapes.failure,
        },
      },
    },
    async ({ params: { id } }) => {
      const status = await link.use((registry) => registry.runs.requestCancel(id));
      if (status === 'missing') throw notFound('run', id);
      if (status === 'over') throw new HttpFailure(409, 'already-over', `The run ${id} has already ended.`);
      return { id, status };
    },
  );
}

function toText({ dataset, key, json }: RecordEntry): string {
  return `{"dataset":${JSON.stringify(dataset)},"key":${JSON.stringify(key)},"record":${json}}`;
}
