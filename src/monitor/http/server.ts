/** The monitor's HTTP server: JSON by schema, events as they happen, and the dashboard. */
import rateLimit from '@fastify/rate-limit';
import helmet from '@fastify/helmet';
import sse, { type SSEPluginOptions } from '@fastify/sse';
import swagger from '@fastify/swagger';
import fastify, { type FastifyPluginAsync } from 'fastify';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { z } from 'zod';

import { ConfigError, toError } from '../../core/errors.ts';
import type { ChangeOptions, PageOptions } from './route-options.ts';
import { ClientLimit } from './client-limit.ts';
import { makeServerFactory } from './connections.ts';
import type { RouteContext } from './context.ts';
import { addDashboard } from './dashboard-routes.ts';
import { addEventRoutes } from './event-routes.ts';
import { answerFailure, installFailures } from './failures.ts';
import { installGuard, isLoopback } from './guard.ts';
import { addHealthRoutes } from './health-routes.ts';
import { addRunRoutes } from './run-routes.ts';
import type { Server } from './server-type.ts';
import { addSessionRoutes } from './session-routes.ts';
import { failure } from './shapes.ts';

const LARGEST_BODY = 1_000_000;
/** Keeps proxies from taking a quiet stream for a dead one. */
const HEARTBEAT_MS = 15_000;
/** Requests of which the answer has not been taken. One connection may send a thousand in one packet. */
const REQUESTS = { noun: 'requests under way', code: 'too-many-requests', total: 1_000, perClient: 200 };
/** Short answers, which must come however much else is asked. */
const UNLIMITED_PATHS: readonly unknown[] = ['/livez', '/readyz'];
/** Each is up to 2 MB, which is held until the client has taken it. */
const PAGES = { noun: 'pages of rows', code: 'too-many-requests', total: 32, perClient: 8 };
const CHANGES = { max: 30, timeWindow: '1 minute' };

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly context: RouteContext;
}

export interface OpenedServer {
  /** `http://127.0.0.1:9464`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Throws `ConfigError` where it would listen beyond this machine without a token, or can't listen at all. */
export async function openServer({ host, port, token, context }: ServerOptions): Promise<OpenedServer> {
  if (!isLoopback(host) && token === undefined) {
    throw new ConfigError(
      `MONITOR_HOST is ${host}, which others can reach. Set MONITOR_TOKEN, which they then need, or let it be 127.0.0.1.`,
    );
  }
  const server: Server = fastify({
    bodyLimit: LARGEST_BODY,
    serverFactory: makeServerFactory(context.log),
    forceCloseConnections: true,
    // Of addresses that no route can be looked for by: nothing else of ours sees them.
    frameworkErrors: (error, _request, reply) => answerFailure(error, reply),
    routerOptions: { maxParamLength: 300, caseSensitive: true },
  }).withTypeProvider<ZodTypeProvider>();
  server.setValidatorCompiler(validatorCompiler);
  server.setSerializerCompiler(serializerCompiler);
  installFailures(server, context.log);
  takeEmptyBodies(server);
  await server.register(rateLimit, { global: false });
  await server.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
      },
    },
    // Loopback has no certificate; who puts TLS before it sets this there.
    strictTransportSecurity: false,
  });
  const requests = new ClientLimit(REQUESTS);
  server.addHook('onRequest', async (request, reply) => {
    if (!UNLIMITED_PATHS.includes(request.routeOptions.url)) requests.hold(request, reply);
  });
  // After helmet: its refusals have those headers too.
  const { log, reportWrongTokens } = context;
  const refuseWithoutToken = installGuard(server, { host, token, log, reportWrongTokens });
  // Its types name a default export of what Node gives as the module itself.
  await server.register(sse as unknown as FastifyPluginAsync<SSEPluginOptions>, { heartbeatInterval: HEARTBEAT_MS });
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'webdriver-supervisor monitor',
        description:
          'What works, what is stuck, what died and why. Changes need the token of MONITOR_TOKEN. If there is one, reads need it as well.',
        version: '1',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      // Without a token in the settings reads are open; clients send it if they have it.
      security: [{}, { token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  const change: ChangeOptions = { config: { rateLimit: CHANGES }, preValidation: refuseWithoutToken };
  await server.register(async (scope) => {
    const typed = scope.withTypeProvider<ZodTypeProvider>();
    describeRefusals(typed);
    addHealthRoutes(typed, context);
    const pages = new ClientLimit(PAGES);
    const paged: PageOptions = { preHandler: async (request, reply) => pages.hold(request, reply) };
    addSessionRoutes(typed, context, { change, paged });
    addRunRoutes(typed, context, { change, paged });
    addEventRoutes(typed, context);
    typed.get('/openapi.json', { schema: { summary: 'This API', response: { 200: z.unknown() } } }, async () =>
      server.swagger(),
    );
    await addDashboard(scope);
  });
  try {
    const url = await server.listen({ host, port });
    return { url, close: () => server.close() };
  } catch (thrown) {
    await server.close();
    const isTaken = (thrown as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const advice = isTaken
      ? 'Another program listens there, perhaps a monitor that runs already. Choose another port with --port (MONITOR_PORT).'
      : 'Set MONITOR_HOST and MONITOR_PORT.';
    throw new ConfigError(`The monitor can't listen on ${host}, port ${port}: ${toError(thrown).message}. ${advice}`, {
      cause: thrown,
    });
  }
}

/** Adds to the schema of each route the answers of the guard, which come before those of the route. */
function describeRefusals(server: Server): void {
  server.addHook('onRoute', ({ schema }) => {
    if (schema?.response === undefined) return;
    const statuses = schema.security?.length === 0 ? [403, 421] : [401, 403, 421, 429];
    schema.response = { ...schema.response, ...Object.fromEntries(statuses.map((status) => [status, failure])) };
  });
}

/** Clients that always speak JSON say so with nothing in it as well. */
function takeEmptyBodies(server: Server): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null, undefined);
    else void parse(request, body, done);
  });
}
