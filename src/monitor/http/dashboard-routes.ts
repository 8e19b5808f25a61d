/** Serves the dashboard from the files of this package. */
import { createRequire, findPackageJSON } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

const FOLDER = fileURLToPath(new URL('../dashboard/', import.meta.url));
/** The file of Chart.js for pages without a bundler. */
const CHARTS = 'chart.umd.js';
/** Every module that the page imports, with those that they import. */
const VIEWS = /^\/(lit-html|directive|directive-helpers|directives\/repeat)\.js$/;

export async function addDashboard(server: FastifyInstance): Promise<void> {
  const charts = path.dirname(createRequire(import.meta.url).resolve('chart.js'));
  await server.register(fastifyStatic, {
    root: FOLDER,
    prefix: '/dashboard/',
    index: false,
    // A reload of the page gets a new version at once.
    cacheControl: false,
    setHeaders: (reply) => void reply.header('cache-control', 'no-cache'),
  });
  await server.register(fastifyStatic, {
    root: path.dirname(findPackageJSON('lit-html', import.meta.url) ?? ''),
    prefix: '/dashboard/vendor/lit-html/',
    decorateReply: false,
    index: false,
    allowedPath: (file) => VIEWS.test(file),
  });
  server.get('/', { schema: { hide: true } }, (_request, reply) => reply.sendFile('index.html'));
  server.get('/dashboard/vendor/chart.umd.js', { schema: { hide: true } }, (_request, reply) =>
    reply.sendFile(CHARTS, charts),
  );
  server.get('/favicon.ico', { schema: { hide: true } }, (_request, reply) => reply.code(204).send());
}
