/**
 * The agents of HTTP clients: the clients of one endpoint share one, and so its idle connections. 10 000 sessions that are probed every 5 s
 * would otherwise open 2 000 connections a second, and the ports of closed connections stay in use for a minute.
 */
import http from 'node:http';
import https from 'node:https';

/**
 * Idle connections are closed after this time. It is shorter than any server's own limit, so that a command never uses a connection that is
 * just closing.
 */
const IDLE_CONNECTION_MS = 2_000;

interface SharedAgent {
  readonly agent: http.Agent;
  borrowers: number;
}

export class SharedAgents {
  readonly #agents = new Map<string, SharedAgent>();

  /** Returns the agent for an endpoint and a proxy, and the idempotent function that gives it back. The last return closes its connections. */
  borrow(endpoint: URL, proxy: string | undefined): { readonly agent: http.Agent; readonly release: () => void } {
    const key = JSON.stringify([endpoint.origin, proxy]);
    const shared = this.#agents.get(key) ?? { agent: makeAgent(endpoint, proxy), borrowers: 0 };
    this.#agents.set(key, shared);
    shared.borrowers += 1;
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      shared.borrowers -= 1;
      if (shared.borrowers > 0) return;
      this.#agents.delete(key);
      shared.agent.destroy();
    };
    return { agent: shared.agent, release };
  }
}

function makeAgent({ protocol }: URL, proxy: string | undefined): http.Agent {
  const { Agent } = protocol === 'https:' ? https : http;
  return new Agent({
    keepAlive: true,
    timeout: IDLE_CONNECTION_MS,
    ...(proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
  });
}
