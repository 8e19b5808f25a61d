/**
 * Where a sink sends to: a URL that is itself a secret, and one HTTP exchange with it.
 */
import { ConfigError } from '../../core/errors.ts';

/** For one notice, from the connection to the answer. */
export const ANSWER_LIMIT_MS = 10_000;
/** Of an answer that is not yes: enough to quote its beginning. */
const MOST_BYTES_READ = 4_096;
/** Shorter parts of a path, such as `api` or `v1`, hide nothing and are found everywhere. */
const SHORTEST_SECRET = 4;

export interface HttpSinkOptions {
  /** For one notice, from the connection to the answer. Default 10 000 ms. */
  readonly answerLimitMs?: number;
}

/** The URL; throws {@link ConfigError} that names the setting and not the value. */
export function validateEndpoint(
  text: string,
  { setting, protocols }: { setting: string; protocols: readonly string[] },
): URL {
  const url = URL.parse(text);
  if (url !== null && url.hostname !== '' && protocols.includes(url.protocol)) return url;
  throw new ConfigError(
    `${setting} must be a URL that begins with ${protocols.map((one) => `${one}//`).join(' or ')}.`,
  );
}

/** The parts of a URL that its owner may want to keep, as they are written and as they are meant. */
export function secretsIn({ host, username, password, pathname, search, searchParams, hash }: URL): string[] {
  const parts = [host, pathname, ...pathname.split('/'), search, ...searchParams.values(), hash.slice(1)];
  return [
    ...[username, password].flatMap(bothForms).filter((part) => part !== ''),
    ...parts.flatMap(bothForms).filter((part) => part.length >= SHORTEST_SECRET),
  ];
}

/** A `%` that begins no escape stands for itself. */
export function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * One exchange by the global fetch, over when its answer is here: redirects are not followed (they would take the notice elsewhere),
 * no more than the first 4 KiB of a refusal are read, and nothing of a yes. User and password in the URL become basic authentication.
 */
export async function exchange(url: URL, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  const target = new URL(url);
  if (url.username !== '' || url.password !== '') {
    const credentials = `${decodePart(url.username)}:${decodePart(url.password)}`;
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`);
    // fetch refuses URLs with credentials.
    target.username = '';
    target.password = '';
  }
  const response = await fetch(target, { ...init, headers, redirect: 'manual' });
  const { status, ok, body } = response;
  if (ok || body === null) {
    await dispose(body);
    return new Response(null, { status });
  }
  return new Response(await readStart(body), { status });
}

/** What came before the end, the limit or the break of the connection: the status is what counts. */
async function readStart(body: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      // Leaving the loop cancels the rest.
      if (size >= MOST_BYTES_READ) break;
    }
  } catch {
    // See above.
  }
  return Buffer.concat(chunks).subarray(0, MOST_BYTES_READ).toString('utf8');
}

/** Frees the connection; that it broke in the meantime is no news. */
async function dispose(body: ReadableStream | null): Promise<void> {
  try {
    await body?.cancel();
  } catch {
    // See above.
  }
}

function bothForms(part: string): string[] {
  return [part, decodePart(part)];
}
