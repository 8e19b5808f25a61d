/**
 * Checks every request before anything of it is looked at. A page of another site must not reach this monitor through the user's browser,
 * neither by its address nor by a name that leads here (DNS rebinding). If there is a token, nothing is told or changed without it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { Log } from '../../core/log.ts';
import { toClient } from './client.ts';
import { HttpFailure } from './failures.ts';
import { MAX_WRONG_TOKENS, WrongTokens } from './wrong-tokens.ts';

/** Supervisors of processes and load balancers have no token, and the page asks for it. None of these tells anything of the registry. */
const PAGE_PATH = '/';
const OPEN_PATHS: readonly unknown[] = [
  '/livez',
  '/readyz',
  PAGE_PATH,
  '/dashboard/*',
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

/** Whether only programs of this machine reach it. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) === 4) return address.startsWith('127.');
  return address === '::1' || address === 'localhost';
}

/** Returns the check that each changing route has besides: without a token in the settings nothing can be changed. */
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
        'This monitor answers to localhost and 127.0.0.1 only; set MONITOR_HOST and MONITOR_TOKEN to reach it by other names.',
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
        'Nothing can be changed by HTTP: start the monitor with MONITOR_TOKEN, and send that as a Bearer token in the Authorization header.',
      );
  };
}

function makeTokenCheck(token: string, options: ConstructorParameters<typeof WrongTokens>[0]) {
  const wrongTokens = new WrongTokens(options);
  const expected = digestOf(token);
  // Everything here happens in one turn: guesses that come at the same time are counted one by one.
  return (request: FastifyRequest, reply: FastifyReply): void => {
    if (request.headers.authorization === undefined) {
      askForToken(reply);
      throw new HttpFailure(
        401,
        'token-needed',
        'The token of MONITOR_TOKEN is needed, as a Bearer token in the Authorization header.',
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
        `${MAX_WRONG_TOKENS} wrong tokens came from ${client} within a minute. Further tokens from there, right or wrong, are looked at in ${seconds} s.`,
      );
    }
    // The digests have one length, and are compared in constant time.
    if (timingSafeEqual(digestOf(tokenOf(request)), expected)) return;
    wrongTokens.note(client);
    askForToken(reply);
    throw new HttpFailure(
      401,
      'wrong-token',
      'The token is wrong: send that of MONITOR_TOKEN as a Bearer token in the Authorization header.',
    );
  };
}

/** Browsers say where a request comes from, and pages can't write these headers; programs say nothing. */
function isForeign({ headers, method, routeOptions }: FastifyRequest): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers;
  // Old browsers, those on a name without TLS, and WebSockets name the origin alone. A proxy may have put another host in.
  if (site === undefined)
    return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase());
  if (OWN_SITES.includes(site)) return false;
  // A link on another site may open the page: that site gets nothing of it.
  const isLink = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  return !(isLink && method === 'GET' && routeOptions.url === PAGE_PATH);
}

function askForToken(reply: FastifyReply): void {
  // Basic would have browsers open a dialog of their own, and send the password with requests of other sites.
  reply.header('www-authenticate', 'Bearer realm="webdriver-supervisor"');
}

/** Returns the token of `Authorization: Bearer <token>`; of a request that only reads also the password of Basic. */
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

/** Without the port. */
function nameOf(host: string | undefined): string {
  return (host ?? '').replace(/:\d+$/, '').toLowerCase();
}
