/**
 * Nothing sensitive leaves the program: what goes to logs, rows, pages and errors passes here first.
 */
const SECRET_NAME =
  /password|passwd|passphrase|passcode|secret|token|(api|access|private|session)[-_]?key|authorization|cookie|credential|signature|jwt|(^|[-_.])(pass|pwd|auth|sig)$/i;
/** In a query `key` is an API's key; elsewhere it is the key of a record. */
const SECRET_PARAMETER = /^key$/i;
const HEADER_NAME = /authorization|cookie/i;
/** A name and its separator, as in `token=`, `"token": ` and, in JSON within JSON, `\"token\":`. Begins only where a name does: linear. */
const NAME_IN_TEXT = /(?<![\w.-])([\w.-]+)\\?["']?\s*[=:]\s*/g;
const QUOTED_VALUE = /\\"[^"]*"?|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?/y;
const BARE_VALUE = /(?:(?:bearer|basic)\s+)?[^\s&"',;}\])]+/iy;
const REST_OF_LINE = /[^\r\n"'}]+/y;
const URL_IN_TEXT = /(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*:\/\/[^\s"'<>`]+/gi;
const MASK = '***';
/** Query values longer than this look like tokens and are never needed to recognise a page. */
const LONGEST_QUERY_VALUE = 64;
const DEEPEST = 6;

/** A URL without user and password, without a fragment and the values of query parameters that sound secret or are overlong. */
export function redactUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    // A password with a slash or a hash makes a URL that no parser takes; up to the last @ all of it may be secret.
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
    if (!isSecretName(name) && !SECRET_PARAMETER.test(name) && value.length <= LONGEST_QUERY_VALUE) continue;
    url.searchParams.set(name, MASK);
    masked = true;
  }
  if (isSecretName(url.hash) || url.hash.length > LONGEST_QUERY_VALUE) {
    url.hash = '';
    masked = true;
  }
  return masked ? url.href : text;
}

/** Free text with URLs cleaned by {@link redactUrl} and the values behind secret-sounding names masked. */
export function redactText(text: string): string {
  return maskPairs(text.replace(URL_IN_TEXT, redactUrl));
}

/** A JSON-like value with every text redacted and every value under a secret-sounding name masked. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Error) return { name: value.name, message: redactText(value.message) };
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEEPEST) return '…';
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  // Dates and URLs have no fields of their own.
  if ('toJSON' in value && typeof value.toJSON === 'function') return redactValue(value.toJSON(), depth + 1);
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      isSecretName(name) && item !== null && item !== undefined ? MASK : redactValue(item, depth + 1),
    ]),
  );
}

/** `dbPass` is read as `db_Pass`: `pass` is a secret's name, and `compass` is none. */
function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name.replace(/(?<=[a-z])(?=[A-Z])/g, '_'));
}

function maskPairs(text: string): string {
  let masked = '';
  let done = 0;
  for (const { 0: pair, 1: name = '', index } of text.matchAll(NAME_IN_TEXT)) {
    const valueAt = index + pair.length;
    if (index < done || !isSecretName(name)) continue;
    const quoted = matchAt(QUOTED_VALUE, text, valueAt);
    const value = quoted ?? matchAt(HEADER_NAME.test(name) ? REST_OF_LINE : BARE_VALUE, text, valueAt);
    if (value === undefined) continue;
    const quote = quoted === undefined ? '' : (/^\\?["']/.exec(quoted)?.[0] ?? '');
    masked += `${text.slice(done, valueAt)}${quote}${MASK}${quote}`;
    done = valueAt + value.length;
  }
  return masked + text.slice(done);
}

function matchAt(sticky: RegExp, text: string, index: number): string | undefined {
  sticky.lastIndex = index;
  return sticky.exec(text)?.[0];
}
