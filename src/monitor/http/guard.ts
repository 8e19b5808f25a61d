/**
 * Checks every request before its route handles it. A page of another site must not reach this monitor through the user's browser, neither
 * by its address nor by a foreign name for that address (DNS rebinding). If there is a token, all reads and changes need it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { Log } from '../../core/log.ts';
import { toClient } from './client.ts';
import { HttpFailure } from './failures.ts';
import { MAX_WRONG_TOKENS, WrongTokens } from './wrong-tokens.ts';

/** Paths for process supervisors and load balancers, which have no token, and for the page, which asks for it. None shows registry data. */
const PAGE_PATH = '/';
const OPEN_PATHS: readonly unknown[] = [
  '/livez',
  '/readyz',
  PAGE_PATH,
  '/dashboard/*',
  '/dashboard/vendor/lit-html/*',
  '/dashboard/vendor/chart.umd.js',
  '/favicon.ico',
];
const OWN_SITES: readonly unknown[] = ['same-origin', 'none'];

export interface GuardOptions {
  readonly host: string;
  readonly token: string | undefined;
  readonly log: Log;
  /** See {@link WrongTokens}. */
  readonly reportWrongTokens: (client: string) => void;
}

/** True if only programs of this machine can reach the host. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) === 4) return address.startsWith('127.');
  return address === '::1' || address === 'localhost';
}

/** Installs the checks. Returns the additional check of each route that changes something: without MONITOR_TOKEN it refuses all changes. */
export function installGuard(
  server: FastifyInstance,
  { host, token, log, reportWrongTokens }: GuardOptions,
): () => Promise<void> {
  const isOnLoopback = isLoopback(host);
  const checkToken = token === undefined ? undefined : makeTokenCheck(token, { log, report: reportWrongTokens });
  server.addHook('onRequest', async (request, reply) => {
    if (isOnLoopback && !isLoopback(nameOf(request.headers.host)))
      throw new HttpFailure(
        421,
        'wrong-host',
        'This monitor only answers to localhost and 127.0.0.1. Set MONITOR_HOST and MONITOR_TOKEN to reach it by other names.',
      );
    if (isForeign(request))
      throw new HttpFailure(403, 'wrong-origin', 'A browser may use this monitor only from the monitor’s own page.');
    if (!OPEN_PATHS.includes(request.routeOptions.url)) checkToken?.(request, reply);
  });
  return async () => {
    if (token === undefined)
      throw new HttpFailure(
        403,
        'no-token',
        'Changes by HTTP are off. Start the monitor with MONITOR_TOKEN, and send that token as a Bearer token in the Authorization header.',
      );
  };
}

function makeTokenCheck(token: string, options: ConstructorParameters<typeof WrongTokens>[0]) {
  const wrongTokens = new WrongTokens(options);
  const expected = digestOf(token);
  // The check is synchronous, so that simultaneous guesses are counted one by one.
  return (request: FastifyRequest, reply: FastifyReply): void => {
    if (request.headers.authorization === undefined) {
      askForToken(reply);
      throw new HttpFailure(
        401,
        'token-needed',
        'This request needs the token of MONITOR_TOKEN as a Bearer token in the Authorization header.',
      );
    }
    const client = toClient(request.ip);
    const waitMs = wrongTokens.holdUp(client);
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      reply.header('retry-after', seconds);
      throw new HttpFailure(
        429,
        'too-many-requests',
        `${MAX_WRONG_TOKENS} wrong tokens came from ${client} within a minute. Further tokens from there, right or wrong, are checked in ${seconds} s.`,
      );
    }
    // The digests have equal lengths and are compared in constant time.
    if (timingSafeEqual(digestOf(tokenOf(request)), expected)) return;
    wrongTokens.note(client);
    askForToken(reply);
    throw new HttpFailure(
      401,
      'wrong-token',
      'The token is wrong. Send the token of MONITOR_TOKEN as a Bearer token in the Authorization header.',
    );
  };
}

/** True if a page of another site sent the request. Browsers send its origin in headers that pages can't set; programs send none. */
function isForeign({ headers, method, routeOptions }: FastifyRequest): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers;
  // Only the origin is sent by old browsers, for names without TLS, and by WebSockets. A proxy may have changed the host.
  if (site === undefined)
    return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase());
  if (OWN_SITES.includes(site)) return false;
  // A link on another site may open the page, because that site can't read it.
  const isLink = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  return !(isLink && method === 'GET' && routeOptions.url === PAGE_PATH);
}

function askForToken(reply: FastifyReply): void {
  // With Basic, browsers would open their own dialog, and send the password with requests of other sites.
  reply.header('www-authenticate', 'Bearer realm="webdriver-supervisor"');
}

/** Returns the token of `Authorization: Bearer <token>`, or the password of Basic if the request only reads. */
function tokenOf({ headers, method }: FastifyRequest): string {
  const [, scheme = '', value = ''] = /^(bearer|basic) +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (method !== 'GET' && method !== 'HEAD') return '';
  return Buffer.from(value, 'base64')
    .toString('utf8')
    .replace(/^[^:]*:/, '');
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Returns the host name without the port. */
function nameOf(host: string | undefined): string {
  return (host ?? '').replace(/:\d+$/, '').toLowerCase();
}
