import { normalizeIP } from '@fastify/rate-limit';

/**
 * Returns what limits count by: the address. Of an IPv6 address it is the /64 network, since a client has a whole one to itself. Empty if the
 * connection is gone.
 */
export function toClient(address: string | undefined): string {
  return address ? normalizeIP(address) : '';
}
