/** Who may ask what: a page somewhere must not reach this machine's monitor by a name of its own, and nobody changes anything without the token. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { HttpFailure } from './failures.ts';

/** Wrong tokens of one address within a minute; further ones are told to wait. */
const MOST_FAILURES = 20;
/** What must work for whatever restarts and balances, which has no token. */
const OPEN_PATHS = ['/livez', '/readyz'];

export interface GuardOptions {
  readonly host: string;
  readonly token: string | undefined;
}

/** Whether only programs of this machine reach it. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) === 4) return address.startsWith('127.');
  return address === '::1' || address === 'localhost';
}

/** Checks every request before anything of it is looked at, and gives back what a changing route asks for its token by. */
export function installGuard(
  server: FastifyInstance,
  { host, token }: GuardOptions,
): (request: FastifyRequest) => Promise<void> {
  const isOpen = isLoopback(host);
  const failures = server.createRateLimit({ max: MOST_FAILURES, timeWindow: '1 minute' });
  const refuse = async (request: FastifyRequest, failure: HttpFailure): Promise<never> => {
    const { isExceeded } = { isExceeded: false, ...(await failures(request)) };
    throw isExceeded ? new HttpFailure(429, 'too-many-requests', 'Too many wrong tokens; wait a minute.') : failure;
  };
  server.addHook('onRequest', async (request, reply) => {
    if (isOpen && !isLoopback(nameOf(request.headers.host))) {
      throw new HttpFailure(
        421,
        'wrong-host',
        'This monitor answers to localhost and 127.0.0.1 only; set MONITOR_HOST and MONITOR_TOKEN to reach it by other names.',
      );
    }
    // A page somewhere else may send requests, though it can't read the answers: it must not use up what the person here may do.
    if (request.method !== 'GET' && isForeign(request.headers)) {
      throw new HttpFailure(403, 'wrong-origin', 'Only pages of this monitor itself may change anything by a browser.');
    }
    if (isOpen || OPEN_PATHS.includes(request.routeOptions.url ?? '')) return;
    if (token !== undefined && isSame(tokenOf(request, { takesBasic: true }), token)) return;
    askForToken(reply);
    await refuse(
      request,
      new HttpFailure(
        401,
        'token-needed',
        'The token of MONITOR_TOKEN is needed, as a Bearer token in the Authorization header.',
      ),
    );
  });
  return async (request) => {
    if (token === undefined)
      throw new HttpFailure(
        403,
        'no-token',
        'Nothing can be changed by HTTP: start the monitor with MONITOR_TOKEN, and send that as a Bearer token in the Authorization header.',
      );
    // Not Basic: a browser adds that by itself, also for a foreign page.
    if (isSame(tokenOf(request, { takesBasic: false }), token)) return;
    await refuse(
      request,
      new HttpFailure(
        401,
        'wrong-token',
        'The token is missing or wrong: send that of MONITOR_TOKEN as a Bearer token in the Authorization header.',
      ),
    );
  };
}

/** Programs name no origin; browsers that of the page, `null` where it has none. */
function isForeign({ origin, host }: FastifyRequest['headers']): boolean {
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
}

function askForToken(reply: FastifyReply): void {
  reply.header('www-authenticate', 'Basic realm="webdriver-supervisor", charset="UTF-8"');
}

/** Of `Authorization: Bearer <token>`; or the password of a browser's own dialog. */
function tokenOf({ headers }: FastifyRequest, { takesBasic }: { readonly takesBasic: boolean }): string {
  const [, scheme = '', value = ''] = /^(bearer|basic) +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (!takesBasic || scheme === '') return '';
  return Buffer.from(value, 'base64')
    .toString('utf8')
    .replace(/^[^:]*:/, '');
}

/** In a time that says nothing of how much was right. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

/** Without the port. */
function nameOf(host: string | undefined): string {
  return (host ?? '').replace(/:\d+$/, '').toLowerCase();
}
