/** The monitor's HTTP server: JSON by schema, a stream of events, and the dashboard. */
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

const MAX_BODY_BYTES = 1_000_000;
/** The interval of comments in a stream, so that proxies don't close a quiet stream. */
const HEARTBEAT_MS = 15_000;
/** Requests whose answer the client has not read yet. One connection may send a thousand requests in one packet. */
const REQUESTS = { noun: 'requests in progress', code: 'too-many-requests', total: 1_000, perClient: 200 };
/** Paths with short answers that must come under any load. */
const UNLIMITED_PATHS: readonly unknown[] = ['/livez', '/readyz'];
/** Each page is up to 2 MB, which stay in memory until the client has read them. */
const PAGES = { noun: 'pages of rows', code: 'too-many-requests', total: 32, perClient: 8 };
const CHANGE_LIMIT = { max: 30, timeWindow: '1 minute' };

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly context: RouteContext;
}

export interface OpenedServer {
  /** The address, such as `http://127.0.0.1:9464`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Starts the server. Throws `ConfigError` if other machines could reach it without a token, or if it can't listen. */
export async function openServer({ host, port, token, context }: ServerOptions): Promise<OpenedServer> {
  if (!isLoopback(host) && token === undefined) {
    throw new ConfigError(
      `MONITOR_HOST is ${host}, which other machines can reach. Set MONITOR_TOKEN, which they then need, or set MONITOR_HOST to 127.0.0.1.`,
    );
  }
  const server: Server = fastify({
    bodyLimit: MAX_BODY_BYTES,
    serverFactory: makeServerFactory(context.log),
    forceCloseConnections: true,
    // Handles invalid URLs, for which the router can't search and no other handler is called.
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
    // Loopback has no certificate. A TLS proxy in front of the monitor sets this header itself.
    strictTransportSecurity: false,
  });
  const requests = new ClientLimit(REQUESTS);
  server.addHook('onRequest', async (request, reply) => {
    if (!UNLIMITED_PATHS.includes(request.routeOptions.url)) requests.hold(request, reply);
  });
  // The guard comes after helmet, so that its refusals have helmet's headers too.
  const { log, reportWrongTokens } = context;
  const refuseWithoutToken = installGuard(server, { host, token, log, reportWrongTokens });
  // The types declare a default export, but Node.js returns the module itself.
  await server.register(sse as unknown as FastifyPluginAsync<SSEPluginOptions>, { heartbeatInterval: HEARTBEAT_MS });
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'webdriver-supervisor monitor',
        description:
          'Shows running and stuck work, deaths and their causes. Changes need the token of MONITOR_TOKEN. If it is set, reads need it as well.',
        version: '1',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      // Reads need no token if MONITOR_TOKEN is not set. Clients send the token if they have it.
      security: [{}, { token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  const change: ChangeOptions = { config: { rateLimit: CHANGE_LIMIT }, preValidation: refuseWithoutToken };
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
      ? 'Another program listens there, perhaps another monitor. Choose another port with --port (MONITOR_PORT).'
      : 'Set MONITOR_HOST and MONITOR_PORT.';
    throw new ConfigError(`The monitor can't listen on ${host}, port ${port}: ${toError(thrown).message}. ${advice}`, {
      cause: thrown,
    });
  }
}

/** Adds the answers of the guard to the schema of each route. */
function describeRefusals(server: Server): void {
  server.addHook('onRoute', ({ schema }) => {
    if (schema?.response === undefined) return;
    const statuses = schema.security?.length === 0 ? [403, 421] : [401, 403, 421, 429];
    schema.response = { ...schema.response, ...Object.fromEntries(statuses.map((status) => [status, failure])) };
  });
}

/** Accepts empty bodies of JSON: some clients always send the content type. */
function takeEmptyBodies(server: Server): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null, undefined);
    else void parse(request, body, done);
  });
}
