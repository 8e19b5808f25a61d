/** Reads and writes a browser's state over its BiDi socket. This closes no alert and does not depend on the current frame. */
import { settlesWithin } from '../../core/abort.ts';
import type { Bidi } from '../bidi.ts';
import type { StateCookie } from './browser-state.ts';
import type { StateChannel } from './state-channel.ts';

/** The time limit for an answer of the page; a busy page or a page with an alert does not answer. */
const ANSWER_LIMIT_MS = 500;
/** The name of an isolated world, which the page's scripts neither see nor change. */
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

  /** Returns the handle of the browser's window; null if there are several. */
  async onlyPage(): Promise<string | null> {
    const { contexts } = (await this.#bidi.call('browsingContext.getTree', { maxDepth: 0 })) as {
      contexts: { context: string }[];
    };
    return contexts.length === 1 ? (contexts[0]?.context ?? null) : null;
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
  // Chromium also reports `none` for a cookie without the attribute. An insecure cookie with `none` must be one without it.
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
