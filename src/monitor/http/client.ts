import { normalizeIP } from '@fastify/rate-limit';

/**
 * Returns the client that limits count by: the IPv4 address, or the /64 network of an IPv6 address, because one client usually has a whole
 * network. Empty if the connection is closed.
 */
export function toClient(address: string | undefined): string {
  return address ? normalizeIP(address) : '';
}
