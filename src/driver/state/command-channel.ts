/** Reads and writes a browser's state by WebDriver commands if there is no other way. They queue with the user's commands. */
import type { StateCookie } from './browser-state.ts';
import type { StateChannel } from './state-channel.ts';

/** Sends a command without selenium; see `CommandTransport.ask`. */
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
    // While an alert is open, every other command fails and by default closes it. This command does not change it.
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
        // Without a domain, the cookie applies only to the current host.
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
    // Firefox also reports `None` for a cookie without the attribute. An insecure cookie with `None` must be one without it.
    ...(sameSite !== undefined && !(sameSite === 'None' && !secure) && { sameSite }),
  };
}
