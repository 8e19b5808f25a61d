/**
 * Removes secrets from everything that goes to logs, rows, pages and errors. Secrets are found by their value (`secrets.ts`), by the name
 * beside them, and by their form.
 */
import { MASK, MIN_SECRET_LENGTH, maskSecrets } from './secrets.ts';

const SECRET_NAME =
  /password|passwd|passphrase|passcode|secret|token|(api|access|private|session)[-_]?key|authorization|cookie|credential|signature|jwt|(php|j)sess(ion)?id|(^|[-_.])(pass|pwd|auth|sig|otp)$/i;
/** Names that are secret in a query. Elsewhere `key` is the key of a record, and `code` the code of an error. */
const SECRET_PARAMETER = /^(key|code|sid|session|sess(ion)?_?id)$/i;
/** Names that are secret before a `=` in text, unless the value is a plain word. */
const SESSION_NAME = /^(code|sid|connect\.sid|session)$/i;
/** A short number, a constant such as `ECONNRESET`, a word or an error code such as `invalid-config`. It is not a secret. */
const PLAIN_WORD = /^(\d{1,5}|[A-Z][A-Z_]*|[A-Za-z]?[a-z]+([-_][a-z]+)*)[.:]?$/;
/** Names of values that accompany a secret but are not secret: the value is masked beside its name, but not wherever else it appears. */
const ORDINARY_NAME =
  /(name|user|login|email|ur[il]|type|field|selector|banner|policy|style|file|path|dir|folder|count|size|length|limit|expir\w*|ttl|timeout|ms|seconds|mode|format|label|button|page|consent|host|domain|sameSite)$/i;
const HEADER_NAME = /authorization|cookie/i;
/** The name of a header in a list of alternating names and values. */
const SECRET_HEADER = /^((proxy-)?authorization|(set-)?cookie|x-api-key)$/i;
/** The fields of a cookie besides its name and value. */
const COOKIE_FIELD = /^(domain|httpOnly|secure|sameSite|expiry|expires|expirationDate)$/;
const COOKIE_FIELD_IN_TEXT = /\b(domain|httpOnly|secure|sameSite|expiry|expires|expirationDate)\\?["']?\s*:/;
/**
 * A name and its separator, as in `token=`, `"token": ` and, in JSON within JSON, `\"token\":`. A match begins only at the start of a name,
 * so the search is linear.
 */
const NAME_IN_TEXT = /(?<![\w.-])([\w.-]+)\\?["']?\s*([=:])\s*/g;
const QUOTED_VALUE = /\\"[^"]*"?|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?/y;
const BARE_VALUE = /(?:(?:bearer|basic)\s+)?[^\s&"',;}\])]+/iy;
const REST_OF_LINE = /[^\r\n"'}]+/y;
const URL_IN_TEXT = /(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*:\/\/[^\s"'<>`]+/gi;
/** An object without nested objects, as JSON or as Node.js prints it. Its length is limited so that the search is linear. */
const FLAT_OBJECT = /\{[^{}]{1,4000}\}/g;
const NAME_FIELD = /\bname\\?["']?\s*:\s*\\?["']([^"'\\]*)/;
const VALUE_FIELD = /(\bvalue\\?["']?\s*:\s*)(\\"[^"]*"|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')/;
/** Tokens with a known form: JWTs, keys of AWS, GitHub, GitLab, Slack, Stripe and Google, private keys. */
const KNOWN_TOKEN =
  /(?<![\w-])eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)*|\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b|\b(?:gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|sk_live_|rk_live_|AIza)[\w-]{12,}|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g;
/** A bearer token. `Bearer token` and `bearer of news` are ordinary words and do not match. */
const BEARER =
  /\b(Bearer)\s+(?!(?:tokens?|auth\w*|of|is|was|in|and|or|as)\b)[\w.~+/-]+=*|\b(bearer)\s+(?=[\w.~+/=-]*\d)[\w.~+/-]{6,}=*/g;
const BASIC = /\b(basic)\s+([A-Za-z0-9+/]{4,}={0,2})/gi;
/** A user and a password, as `Basic` encodes them. */
const CREDENTIALS = /^[^\p{Cc}\ufffd:]*:[^\p{Cc}\ufffd]*$/u;
/** Longer query values look like tokens and are never needed to recognise a page. */
const MAX_QUERY_VALUE_LENGTH = 64;
const MAX_DEPTH = 6;

/**
 * Returns a URL without its user, its password, its secret or overlong fragment, and the values of query parameters with a secret name or
 * an overlong value.
 */
export function redactUrl(given: string): string {
  const text = maskSecrets(given);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    // A password with a slash or a hash makes a URL that can't be parsed. Everything up to the last @ may be secret.
    return text.replace(/\/\/\S*@/, `//${MASK}@`);
  }
  if (url.protocol === 'data:') return 'data:…';
  let masked = false;
  if (url.username !== '' || url.password !== '') {
    url.username = MASK;
    url.password = '';
    masked = true;
  }
  for (const [name, value] of [...url.searchParams]) {
    if (!isSecretParameter(name) && value.length <= MAX_QUERY_VALUE_LENGTH) continue;
    url.searchParams.set(name, MASK);
    masked = true;
  }
  if (hasSecretFragment(url) || url.hash.length > MAX_QUERY_VALUE_LENGTH) {
    url.hash = '';
    masked = true;
  }
  if (/;jsessionid=/i.test(url.pathname)) {
    url.pathname = url.pathname.replace(/(;jsessionid=)[^;/]*/gi, `$1${MASK}`);
    masked = true;
  }
  return masked ? url.href : text;
}

/**
 * Returns free text without secrets: known values, secret parts of URLs, values with a secret name, and tokens with a known form are
 * masked.
 */
export function redactText(text: string): string {
  const known = maskCookies(maskSecrets(text).replace(URL_IN_TEXT, redactUrl));
  return maskTokens(maskPairs(known));
}

/** Returns a JSON-like value with every string redacted and every value with a secret name masked. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Error) return { name: value.name, message: redactText(value.message) };
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '…';
  if (Array.isArray(value))
    return value.map((item, at) => (isSecretHeader(value[at - 1]) ? MASK : redactValue(item, depth + 1)));
  // Dates and URLs have no own properties.
  if ('toJSON' in value && typeof value.toJSON === 'function') return redactValue(value.toJSON(), depth + 1);
  const isSecretPair = hasSecretPair(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      (isSecretName(name) || (isSecretPair && name === 'value')) && item !== null && item !== undefined
        ? MASK
        : redactValue(item, depth + 1),
    ]),
  );
}

/**
 * Returns the secrets in a JSON-like value for `secrets.add`: the strings with secret names, passwords in URLs, and secret parameters of
 * URLs.
 */
export function findSecrets(value: unknown): string[] {
  return [...secretsIn(value, { isSecret: false, depth: 0 })].filter((secret) => secret !== '');
}

/** Returns the parts of a URL that is secret as a whole, such as the URL of a webhook. */
export function findAddressSecrets(address: string): string[] {
  const url = URL.parse(address);
  if (url === null) return [address];
  const parts = url.pathname.split('/').filter((part) => part.length >= 16 || (part.length >= 8 && /\d/.test(part)));
  return [address, url.href, ...parts, ...url.searchParams.values(), ...findSecrets(address)];
}

function* secretsIn(value: unknown, { isSecret, depth }: { isSecret: boolean; depth: number }): Generator<string> {
  if (typeof value === 'string') yield* isSecret ? [value, ...secretsInCookies(value)] : secretsInText(value);
  if (typeof value === 'number' && isSecret && String(value).length >= MIN_SECRET_LENGTH) yield String(value);
  if (typeof value !== 'object' || value === null || depth >= MAX_DEPTH) return;
  const isSecretPair = !Array.isArray(value) && hasSecretPair(value);
  for (const [name, item] of Object.entries(value) as [string, unknown][]) {
    const isNamed = Array.isArray(value)
      ? isSecret || isSecretHeader(value[Number(name) - 1])
      : (isSecret || isSecretName(name) || (isSecretPair && name === 'value')) && !ORDINARY_NAME.test(name);
    // `acceptCookies: 'always'` is not a cookie.
    const isPlainWord = /cookies?$/i.test(name) && typeof item === 'string' && PLAIN_WORD.test(item);
    yield* secretsIn(item, { isSecret: isNamed && !isPlainWord, depth: depth + 1 });
  }
}

/** Returns the values of a `Cookie` header, because a page may show one without the others. */
function* secretsInCookies(text: string): Generator<string> {
  for (const [, value = ''] of text.matchAll(/[\w.-]+=([^;\s]+)/g)) if (!PLAIN_WORD.test(value)) yield value;
}

function* secretsInText(text: string): Generator<string> {
  for (const [address] of text.matchAll(URL_IN_TEXT)) {
    const url = URL.parse(address);
    if (url === null) {
      const password = /\/\/[^/]*?:(\S*)@/.exec(address)?.[1];
      if (password !== undefined) yield password;
      continue;
    }
    // A user name without a password may be a key.
    const password = url.password || url.username;
    yield* [password, decode(password)];
    for (const [name, parameter] of url.searchParams) if (isSecretName(name)) yield parameter;
  }
  for (const { value, isSessionName } of findPairs(text)) if (!isSessionName) yield value;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A `%` that begins no escape is left unchanged.
    return part;
  }
}

/** Returns whether a name is secret. `dbPass` is treated as `db_Pass`, because `pass` is secret but `compass` is not. */
function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name.replace(/(?<=[a-z])(?=[A-Z])/g, '_'));
}

function isSecretParameter(name: string): boolean {
  return isSecretName(name) || SECRET_PARAMETER.test(name);
}

/** Returns whether a fragment such as `#access_token=…&code=…`, also after a path, contains a secret. */
function hasSecretFragment({ hash }: URL): boolean {
  if (isSecretName(hash)) return true;
  return hash.split(/[#?&]/).some((part) => part.includes('=') && isSecretParameter(part.split('=')[0] ?? ''));
}

function isSecretHeader(name: unknown): boolean {
  return typeof name === 'string' && SECRET_HEADER.test(name);
}

/** Returns whether an object is a cookie, or a header or setting with a secret name, as `{ name, value }`. */
function hasSecretPair(object: object): boolean {
  if (!('name' in object) || !('value' in object) || typeof object.name !== 'string') return false;
  const isNamed = isSecretName(object.name) || SESSION_NAME.test(object.name);
  return isNamed || Object.keys(object).some((field) => COOKIE_FIELD.test(field));
}

/** Masks the values of such objects in text. */
function maskCookies(text: string): string {
  if (!text.includes('value')) return text;
  return text.replace(FLAT_OBJECT, (object) => {
    const name = NAME_FIELD.exec(object)?.[1];
    if (name === undefined) return object;
    if (!isSecretName(name) && !SESSION_NAME.test(name) && !COOKIE_FIELD_IN_TEXT.test(object)) return object;
    return object.replace(VALUE_FIELD, (_field, before: string, value: string) => `${before}${quoteLike(value)}`);
  });
}

function maskTokens(text: string): string {
  return text
    .replace(KNOWN_TOKEN, MASK)
    .replace(BEARER, (_all, ...[upper, lower]: (string | undefined)[]) => `${upper ?? lower} ${MASK}`)
    .replace(BASIC, (all, scheme: string, encoded: string) =>
      CREDENTIALS.test(Buffer.from(encoded, 'base64').toString('utf8')) ? `${scheme} ${MASK}` : all,
    );
}

interface Pair {
  /** The positions at which the value begins and ends, including its quotes. */
  readonly start: number;
  readonly end: number;
  readonly quote: string;
  readonly value: string;
  /** True if the name is secret only for some values. */
  readonly isSessionName: boolean;
}

/** Finds values that follow a secret name; they do not overlap. */
function* findPairs(text: string): Generator<Pair> {
  let done = 0;
  for (const { 0: pair, 1: name = '', 2: separator, index } of text.matchAll(NAME_IN_TEXT)) {
    const start = index + pair.length;
    const isSessionName = separator === '=' && SESSION_NAME.test(name) && !isSecretName(name);
    if (index < done || (!isSessionName && !isSecretName(name))) continue;
    const quoted = matchAt(QUOTED_VALUE, text, start);
    const found = quoted ?? matchAt(HEADER_NAME.test(name) ? REST_OF_LINE : BARE_VALUE, text, start);
    if (found === undefined || (isSessionName && PLAIN_WORD.test(found))) continue;
    const quote = quoted === undefined ? '' : quoteOf(quoted);
    done = start + found.length;
    const value = found.slice(quote.length, found.endsWith(quote) ? found.length - quote.length : undefined);
    yield { start, end: done, quote, value, isSessionName };
  }
}

function maskPairs(text: string): string {
  let masked = '';
  let done = 0;
  for (const { start, end, quote } of findPairs(text)) {
    masked += `${text.slice(done, start)}${quote}${MASK}${quote}`;
    done = end;
  }
  return masked + text.slice(done);
}

function quoteLike(value: string): string {
  const quote = quoteOf(value);
  return `${quote}${MASK}${quote}`;
}

function quoteOf(value: string): string {
  return /^\\?["']/.exec(value)?.[0] ?? '';
}

function matchAt(sticky: RegExp, text: string, index: number): string | undefined {
  sticky.lastIndex = index;
  return sticky.exec(text)?.[0];
}
