/**
 * Nothing sensitive leaves the program: what goes to logs, rows, pages and errors passes here first.
 */
const SECRET_NAME =
  /pass(word|wd|phrase)?|secret|token|api[-_]?key|authorization|cookie|credential|session[-_]?key|signature|sig$/i;
const SECRET_PAIR =
  /\b((?:[\w-]*(?:password|passwd|secret|token|api[-_]?key|signature))|authorization|cookie|set-cookie)(["']?\s*[=:]\s*["']?)((?:bearer |basic )?[^\s&"',;}]+)/gi;
const URL_IN_TEXT = /\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>`]+/gi;
const MASK = '***';
/** Query values longer than this look like tokens and are never needed to recognise a page. */
const LONGEST_QUERY_VALUE = 64;

/** A URL without user, password, fragment and the values of query parameters that sound secret or are overlong. */
export function redactUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return text;
  }
  if (url.protocol === 'data:') return 'data:…';
  if (url.username !== '' || url.password !== '') {
    url.username = MASK;
    url.password = '';
  }
  let masked = false;
  for (const [name, value] of [...url.searchParams]) {
    if (!SECRET_NAME.test(name) && value.length <= LONGEST_QUERY_VALUE) continue;
    url.searchParams.set(name, MASK);
    masked = true;
  }
  if (SECRET_NAME.test(url.hash)) url.hash = MASK;
  return masked || url.username !== ''
    ? url.href
    : text.replace(/#.*$/, (hash) => (SECRET_NAME.test(hash) ? '' : hash));
}

/** Free text with URLs cleaned by {@link redactUrl} and the values behind secret-sounding names masked. */
export function redactText(text: string): string {
  return text.replace(URL_IN_TEXT, redactUrl).replace(SECRET_PAIR, `$1$2${MASK}`);
}

/** A JSON-like value with every text redacted and every value under a secret-sounding name masked. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (value instanceof Error) return { name: value.name, message: redactText(value.message) };
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= 6) return '…';
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      SECRET_NAME.test(name) && item !== null && item !== undefined ? MASK : redactValue(item, depth + 1),
    ]),
  );
}
