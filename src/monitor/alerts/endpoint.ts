/** The endpoint of a sink, whose URL is itself a secret, and one HTTP exchange with it. */
import { ConfigError } from '../../core/errors.ts';

/** The limit for one notice, from the connection to the answer. */
export const ANSWER_LIMIT_MS = 10_000;
/** The limit for reading a refusal: enough to quote its beginning. */
const MAX_BYTES_READ = 4_096;
/** Shorter parts of a path, such as `api` or `v1`, are not secret and occur in many texts. */
const MIN_SECRET_LENGTH = 4;

export interface HttpSinkOptions {
  /** The limit for one notice, from the connection to the answer. Default: 10 000 ms. */
  readonly answerLimitMs?: number;
}

/** Returns the parsed URL. Throws {@link ConfigError} that names the setting, not the value. */
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

/** Returns the parts of a URL that may be secret, both encoded and decoded. */
export function secretsIn({ host, username, password, pathname, search, searchParams, hash }: URL): string[] {
  const parts = [host, pathname, ...pathname.split('/'), search, ...searchParams.values(), hash.slice(1)];
  return [
    ...[username, password].flatMap(bothForms).filter((part) => part !== ''),
    ...parts.flatMap(bothForms).filter((part) => part.length >= MIN_SECRET_LENGTH),
  ];
}

/** Decodes percent escapes. Returns the part unchanged if a `%` begins no valid escape. */
export function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Sends one request with the global fetch and waits for its answer. Redirects are not followed, because they would send the notice to
 * another address. At most the first 4 KiB of a refusal are read, and nothing of a success. User and password in the URL become basic
 * authentication.
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

/** Returns what arrives before the end, the limit or a break of the connection. A break is ignored, because only the status matters. */
async function readStart(body: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      // Leaving the loop cancels the rest.
      if (size >= MAX_BYTES_READ) break;
    }
  } catch {
    // Ignored, see the comment of the function.
  }
  return Buffer.concat(chunks).subarray(0, MAX_BYTES_READ).toString('utf8');
}

/** Frees the connection. Ignores that it may have broken. */
async function dispose(body: ReadableStream | null): Promise<void> {
  try {
    await body?.cancel();
  } catch {
    // Ignored, see the comment of the function.
  }
}

function bothForms(part: string): string[] {
  return [part, decodePart(part)];
}
