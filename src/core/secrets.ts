/**
 * The secret values of this process. They are shared by the whole process on purpose: a password of one run must not appear in the output
 * of another run, a library or a foreign error. Patterns (`redact.ts`) find secrets by their context; this module finds them anywhere.
 */

/** The minimum length, in characters, of a value that is masked wherever it appears. Shorter values are parts of ordinary words. */
export const MIN_SECRET_LENGTH = 6;
export const MASK = '***';
/** Longer values are not masked. */
const MAX_SECRET_LENGTH = 16_384;
/** If there are more values, or their total length is larger, the oldest are forgotten. */
const MAX_SECRETS = 500;
const MAX_TOTAL_LENGTH = 100_000;
/** A line of at least this length within a longer value, such as a private key, is a secret by itself. */
const MIN_LINE_LENGTH = 16;
/** The pairs of forms in which `"` and `'` are written. */
const HTML_QUOTES = [
  ['"', "'"],
  ['&quot;', "'"],
  ['&quot;', '&#39;'],
  ['&quot;', '&#x27;'],
  ['&quot;', '&apos;'],
  ['&#34;', '&#39;'],
] as const;

/** The forms of all values, searched by their first characters, because one pattern of whole values may be too large for the engine. */
interface FormIndex {
  /** Matches the first {@link MIN_SECRET_LENGTH} characters of each form. */
  readonly beginnings: RegExp;
  /** The forms by their first characters. The longest is first, because a longer value may begin with a shorter one. */
  readonly forms: ReadonlyMap<string, readonly string[]>;
}

export class SecretValues {
  /** The values; the newest is last. */
  readonly #values = new Set<string>();
  #totalLength = 0;
  /** Undefined after a change, until it is needed. */
  #index: FormIndex | undefined;

  /** Adds values. Values shorter than {@link MIN_SECRET_LENGTH} are ignored. */
  add(values: Iterable<string>): void {
    for (const value of values) {
      if (value.length < MIN_SECRET_LENGTH || value.length > MAX_SECRET_LENGTH || /^[*\s]*$/.test(value)) continue;
      // Moves a known value to the end.
      if (!this.#values.delete(value)) {
        this.#index = undefined;
        this.#totalLength += value.length;
      }
      this.#values.add(value);
    }
    for (const oldest of this.#values) {
      if (this.#values.size <= MAX_SECRETS && this.#totalLength <= MAX_TOTAL_LENGTH) break;
      this.#values.delete(oldest);
      this.#totalLength -= oldest.length;
    }
  }

  /** Replaces each value by `***`: unchanged, URL-encoded, escaped for JSON and HTML, and within base64. */
  mask(text: string): string {
    if (this.#values.size === 0 || text.length < MIN_SECRET_LENGTH) return text;
    this.#index ??= toIndex(this.#values);
    const { beginnings, forms } = this.#index;
    let masked = '';
    let done = 0;
    beginnings.lastIndex = 0;
    for (let match = beginnings.exec(text); match !== null; match = beginnings.exec(text)) {
      const { index: at } = match;
      const form = forms.get(match[0])?.find((one) => text.startsWith(one, at));
      beginnings.lastIndex = at + (form?.length ?? 1);
      if (form === undefined) continue;
      masked += text.slice(done, at) + MASK;
      done = at + form.length;
    }
    return done === 0 ? text : masked + text.slice(done);
  }
}

/** The secrets of this process. */
export const secrets = new SecretValues();
/** The secrets of the settings and the environment. They are separate, so that the passwords of many runs do not displace them. */
export const settingSecrets = new SecretValues();

/** Returns `text` without the secret values of this process. */
export function maskSecrets(text: string): string {
  return settingSecrets.mask(secrets.mask(text));
}

function toIndex(values: Iterable<string>): FormIndex {
  const all = new Set<string>();
  for (const value of values) for (const form of formsOf(value)) all.add(form);
  const longestFirst = [...all].sort((a, b) => b.length - a.length);
  const forms = Map.groupBy(longestFirst, (form) => form.slice(0, MIN_SECRET_LENGTH));
  const beginnings = [...forms.keys()].map((beginning) => beginning.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return { beginnings: new RegExp(beginnings.join('|'), 'g'), forms };
}

function* formsOf(value: string): Generator<string> {
  const lines = value.split(/\r\n|\r|\n/).filter((line) => line.length >= MIN_LINE_LENGTH);
  for (const one of new Set([value, ...lines])) {
    const json = JSON.stringify(one).slice(1, -1);
    const encoded = [encodeURIComponent(one.toWellFormed()), encodeURI(one.toWellFormed()), toFormValue(one)];
    yield* [one, ...toJsonForms(json), JSON.stringify(json).slice(1, -1)];
    yield* toHtmlForms(one);
    for (const form of encoded)
      // A URL may be a parameter of another.
      yield* [form, form.replace(/%[\dA-F]{2}/g, (escape) => escape.toLowerCase()), encodeURIComponent(form)];
    yield* toBase64Cores(one);
  }
}

/**
 * Yields a value as JavaScript writes it; with `/` escaped, as PHP does; with `<`, `>` and `&` escaped, as Go does; and in ASCII, as Python
 * and PHP do.
 */
function* toJsonForms(json: string): Generator<string> {
  const slashed = json.replaceAll('/', '\\/');
  yield* [
    json,
    slashed,
    toEscapes(json, /[<>&\u2028\u2029]/g),
    toEscapes(json, /[^ -~]/g),
    toEscapes(slashed, /[^ -~]/g),
  ];
}

function toEscapes(text: string, letters: RegExp): string {
  return text.replace(letters, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function toFormValue(value: string): string {
  return new URLSearchParams({ '': value }).toString().slice(1);
}

/** Yields a value as browsers write it in texts and attributes, and as servers do. */
function* toHtmlForms(value: string): Generator<string> {
  const text = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  for (const [double, single] of HTML_QUOTES) yield text.replaceAll('"', double).replaceAll("'", single);
}

/**
 * Base64 encodes three bytes as four letters, so a value within a longer text has three forms. Returns the letters that depend only on the
 * value.
 */
function toBase64Cores(value: string): string[] {
  const bytes = Buffer.from(value);
  return [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const core = text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    return [core, core.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
