/** Asks for a browser's state over its BiDi socket. No alert is closed by that, and no frame is in the way. */
import { settlesWithin } from '../../core/abort.ts';
import type { Bidi } from '../bidi.ts';
import type { StateCookie } from './browser-state.ts';
import type { StateChannel } from './state-channel.ts';

/** A page that is busy, or shows an alert, is not waited for. */
const ANSWER_LIMIT_MS = 500;
/** A world of its own, in which the page's scripts see and change nothing. */
const SANDBOX = 'webdriver-supervisor';

type BidiValue = { readonly type: 'string' | 'base64'; readonly value: string };

interface BidiCookie extends Omit<StateCookie, 'value' | 'expires' | 'sameSite' | 'partitionKey'> {
  readonly value: BidiValue;
  readonly expiry?: number;
  readonly sameSite?: string;
}

const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' } as const;

export class BidiChannel implements StateChannel {
  readonly isOutOfBand = true;
  readonly #bidi: Bidi;

  constructor(bidi: Bidi) {
    this.#bidi = bidi;
  }

  isFree(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async url(handle: string): Promise<string> {
    const { contexts } = (await this.#bidi.call('browsingContext.getTree', { root: handle, maxDepth: 0 })) as {
      contexts: { url: string }[];
    };
    return contexts[0]?.url ?? '';
  }

  async cookies(): Promise<readonly StateCookie[]> {
    const { cookies } = (await this.#bidi.call('storage.getCookies')) as { cookies: BidiCookie[] };
    return cookies.map(toStateCookie);
  }

  async setCookie({ value, expires, sameSite, partitionKey: _partitionKey, ...cookie }: StateCookie): Promise<void> {
    await this.#bidi.call('storage.setCookie', {
      cookie: {
        ...cookie,
        value: { type: 'string', value },
        ...(expires === -1 ? {} : { expiry: Math.round(expires) }),
        ...(sameSite === undefined ? {} : { sameSite: sameSite.toLowerCase() }),
      },
    });
  }

  async removeCookie({ name, domain, path }: StateCookie): Promise<void> {
    await this.#bidi.call('storage.deleteCookies', { filter: { name, domain, path } });
  }

  async evaluate(handle: string, expression: string): Promise<string | undefined> {
    const call = this.#bidi.call('script.evaluate', {
      expression,
      target: { context: handle, sandbox: SANDBOX },
      awaitPromise: true,
    });
    if (!(await settlesWithin(call, ANSWER_LIMIT_MS))) return undefined;
    const { result } = (await call) as { result?: { value?: unknown } };
    return typeof result?.value === 'string' ? result.value : undefined;
  }
}

function toStateCookie({ name, value, domain, path, expiry, httpOnly, secure, sameSite }: BidiCookie): StateCookie {
  // Chromium says `none` also of a cookie without the attribute, which an insecure one must be.
  const site = sameSite === 'none' && !secure ? undefined : SAME_SITE[sameSite as keyof typeof SAME_SITE];
  return {
    name,
    value: value.type === 'base64' ? Buffer.from(value.value, 'base64').toString('latin1') : value.value,
    domain,
    path,
    expires: expiry ?? -1,
    httpOnly,
    secure,
    ...(site !== undefined && { sameSite: site }),
  };
}
