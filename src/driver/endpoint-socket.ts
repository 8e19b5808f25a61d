/**
 * Finds the address at which a socket of a session can be reached. A Grid offers the address of the node (`se:cdp`, `webSocketUrl`), which is
 * often known only inside of its network. Its router forwards sockets as well, so the address of the endpoint is tried too.
 */
import { toBasicAuth } from '../core/basic-auth.ts';
import { isLoopback, type SessionTarget } from './session-target.ts';

/** The time limit of an address if there is another one. A host that is not reachable at all answers nothing. */
const FIRST_LIMIT_MS = 2_000;

export interface SocketAddress {
  /** Without credentials. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Returns the addresses to try, in this order. Credentials are only sent to the endpoint itself. */
export function listSocketAddresses(offered: string, target: SessionTarget): [SocketAddress, ...SocketAddress[]] {
  if (target.kind === 'own') return [{ url: offered, headers: {} }];
  const endpoint = new URL(target.url);
  const own = new URL(offered);
  const authorization = toBasicAuth(endpoint);
  const headers = authorization === undefined ? {} : { authorization };
  const subPath = endpoint.pathname.replace(/\/$/, '');
  const first = { url: moveToEndpoint(own, endpoint, subPath), headers };
  // A proxy in front of a Grid needs the sub-path. A hub with `--sub-path` forwards sockets only without it (Grid 4.47, measured).
  const atEndpoint: [SocketAddress, ...SocketAddress[]] =
    subPath === '' ? [first] : [first, { url: moveToEndpoint(own, endpoint, ''), headers }];
  // The loopback address of another machine is not the one of this machine.
  if (own.host === endpoint.host || (isLoopback(offered) && !isLoopback(target.url))) return atEndpoint;
  return [{ url: offered, headers: {} }, ...atEndpoint];
}

/**
 * Calls `connect` with each address until it succeeds. Rejects as the last call does. `connect` gets a time limit if there is a further
 * address.
 */
export async function connectToFirst<Socket>(
  addresses: readonly [SocketAddress, ...SocketAddress[]],
  connect: (address: SocketAddress, limitMs: number | undefined) => Promise<Socket>,
): Promise<{ readonly socket: Socket; readonly address: SocketAddress }> {
  const [address, next, ...others] = addresses;
  if (next === undefined) return { socket: await connect(address, undefined), address };
  try {
    return { socket: await connect(address, FIRST_LIMIT_MS), address };
  } catch {
    return connectToFirst([next, ...others], connect);
  }
}

/**
 * Returns the URL for a client that takes nothing but a URL, such as selenium's own: at the endpoint it has the credentials of `target`. An
 * address that the Grid offered is returned unchanged.
 */
export function toClientUrl({ url, headers }: SocketAddress, target: SessionTarget): string {
  if (target.kind === 'own' || headers['authorization'] === undefined) return url;
  const { username, password } = new URL(target.url);
  return Object.assign(new URL(url), { username, password }).href;
}

function moveToEndpoint(offered: URL, endpoint: URL, subPath: string): string {
  const moved = new URL(endpoint);
  moved.protocol = endpoint.protocol === 'https:' ? 'wss:' : 'ws:';
  moved.username = '';
  moved.password = '';
  // The path of the offered address may begin with the sub-path of the node or of the Grid.
  const path = /\/session\/.*$/.exec(offered.pathname)?.[0] ?? offered.pathname;
  moved.pathname = subPath + path;
  moved.search = offered.search;
  return moved.href;
}
