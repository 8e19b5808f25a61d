import { normalizeIP } from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';

/** The address that limits count by. Of an IPv6 address it is the /64 network, since a client has a whole one to itself. Empty if the connection is gone. */
export function clientOf({ ip }: FastifyRequest): string {
  // A closed socket has no address, whatever the type says.
  return ip ? normalizeIP(ip) : '';
}
