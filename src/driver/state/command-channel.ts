/** Asks for a browser's state by WebDriver commands, where there is nothing else. They wait for the user's commands, and these for them. */
import type { StateCookie } from './browser-state.ts';
import type { StateChannel } from './state-channel.ts';

/** Sends a command past selenium; see `CommandTransport.ask`. */
export type Ask = (method: 'GET' | 'POST' | 'DELETE', route: string, data?: object) => Promise<unknown>;

interface WireCookie extends Omit<StateCookie, 'expires' | 'partitionKey'> {
  readonly expiry?: number;
}

export class CommandChannel implements StateChannel {
  readonly isOutOfBand = false;
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async isFree(): Promise<boolean> {
    // An alert makes every other command fail, and by default closes then. Only this one leaves it as it is.
    return !(await this.#ask('GET', '/alert/text').then(
      () => true,
      () => false,
    ));
  }

  async url(): Promise<string> {
    return String(await this.#ask('GET', '/url'));
  }

  async cookies(): Promise<readonly StateCookie[]> {
    const cookies = (await this.#ask('GET', '/cookie')) as WireCookie[];
    return cookies.map(toStateCookie);
  }

  async setCookie({ expires, domain, partitionKey: _partitionKey, ...cookie }: StateCookie): Promise<void> {
    await this.#ask('POST', '/cookie', {
      cookie: {
        ...cookie,
        // Without a domain the cookie is for the current host alone.
        ...(domain.startsWith('.') ? { domain } : {}),
        ...(expires === -1 ? {} : { expiry: Math.round(expires) }),
      },
    });
  }

  async removeCookie({ name }: StateCookie): Promise<void> {
    await this.#ask('DELETE', `/cookie/${encodeURIComponent(name)}`);
  }

  async evaluate(_handle: string, expression: string): Promise<string | undefined> {
    const value = await this.#ask('POST', '/execute/sync', { script: `return ${expression}`, args: [] });
    return typeof value === 'string' ? value : undefined;
  }
}

function toStateCookie({ name, value, domain, path, expiry, httpOnly, secure, sameSite }: WireCookie): StateCookie {
  return {
    name,
    value,
    domain,
    path,
    expires: expiry ?? -1,
    httpOnly,
    secure,
    // Firefox says `None` also of a cookie without the attribute, which an insecure one must be.
    ...(sameSite !== undefined && !(sameSite === 'None' && !secure) && { sameSite }),
  };
}
