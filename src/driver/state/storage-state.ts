/**
 * Files of browser state in the format of Playwright's `storageState`, so that both programs can exchange them. Session storage, which the
 * format lacks, is in a field of its own, which Playwright ignores.
 */
import { z } from 'zod';

import { ConfigError, toError } from '../../core/errors.ts';
import { EMPTY_STATE, type BrowserState, type OriginStorage, type StateCookie } from './browser-state.ts';

const items = z.array(z.object({ name: z.string(), value: z.string() })).default([]);

const cookie = z.object({
  name: z.string(),
  value: z.string(),
  domain: z.string().min(1),
  path: z.string().default('/'),
  expires: z.number().default(-1),
  httpOnly: z.boolean().default(false),
  secure: z.boolean().default(false),
  sameSite: z.enum(['Strict', 'Lax', 'None']).optional(),
  // Playwright stores the top-level site as a string, and the other half of Chromium's partition key in a field of its own.
  partitionKey: z.string().optional(),
  _crHasCrossSiteAncestor: z.boolean().optional(),
});

const storageState = z.object({
  cookies: z.array(cookie).default([]),
  origins: z.array(z.object({ origin: z.url(), localStorage: items, sessionStorage: items })).default([]),
});

export type StorageState = z.output<typeof storageState>;

/** Returns the state as a value for `JSON.stringify`, without the page and the window. */
export function toStorageState({ cookies, origins }: Pick<BrowserState, 'cookies' | 'origins'>): StorageState {
  return {
    cookies: cookies.map(({ partitionKey, ...fields }) => ({
      ...fields,
      // Chromium treats a cookie without the attribute as Lax; Playwright's format requires a value.
      sameSite: fields.sameSite ?? 'Lax',
      ...(partitionKey && {
        partitionKey: partitionKey.topLevelSite,
        _crHasCrossSiteAncestor: partitionKey.hasCrossSiteAncestor,
      }),
    })),
    origins: [...origins]
      .filter(([, { local, session }]) => local.size + session.size > 0)
      .map(([origin, { local, session }]) => ({
        origin,
        localStorage: toItems(local),
        sessionStorage: toItems(session),
      })),
  };
}

/** Returns a state from parsed JSON, without expired cookies. Throws `ConfigError` with `source` and the first invalid field. */
export function fromStorageState(json: unknown, source: string): BrowserState {
  const parsed = storageState.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join('.') ?? '';
    throw new ConfigError(
      `${source} is not a file of browser state: ${field === '' ? 'it' : field} ${issue?.message ?? 'is invalid'}. ` +
        'It must have the format of Playwright\'s storageState: { "cookies": [ … ], "origins": [ … ] }.',
    );
  }
  const { cookies, origins } = parsed.data;
  const nowSeconds = Date.now() / 1_000;
  return {
    ...EMPTY_STATE,
    cookies: cookies.filter(({ expires }) => expires === -1 || expires > nowSeconds).map(toStateCookie),
    origins: new Map(
      origins.map(({ origin, localStorage, sessionStorage }): [string, OriginStorage] => [
        new URL(origin).origin,
        { local: toMap(localStorage), session: toMap(sessionStorage) },
      ]),
    ),
  };
}

/** Returns a state from JSON text. Throws `ConfigError` with `source` if `text` is not JSON, and as {@link fromStorageState} does. */
export function parseStorageState(text: string, source: string): BrowserState {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (thrown) {
    throw new ConfigError(`${source} is not a file of browser state: it is not JSON (${toError(thrown).message}).`);
  }
  return fromStorageState(json, source);
}

function toStateCookie({
  partitionKey,
  _crHasCrossSiteAncestor: hasCrossSiteAncestor = false,
  sameSite,
  ...fields
}: StorageState['cookies'][number]): StateCookie {
  return {
    ...fields,
    ...(sameSite !== undefined && { sameSite }),
    ...(partitionKey !== undefined && { partitionKey: { topLevelSite: partitionKey, hasCrossSiteAncestor } }),
  };
}

function toItems(storage: ReadonlyMap<string, string>): { name: string; value: string }[] {
  return [...storage].map(([name, value]) => ({ name, value }));
}

function toMap(list: readonly { readonly name: string; readonly value: string }[]): ReadonlyMap<string, string> {
  return new Map(list.map(({ name, value }) => [name, value]));
}
