/**
 * The secret values that this process knows, and texts without them. They are shared by the whole process on purpose: a password that one
 * run was given must not appear in what another run, a library or a foreign error writes. Patterns (`redact.ts`) find secrets by what
 * stands beside them; this finds them wherever they are.
 */

/** The least length, in characters, of a value that is masked wherever it appears. Shorter ones are parts of ordinary words. */
export const MIN_SECRET_LENGTH = 6;
export const MASK = '***';
/** Longer values are not masked. */
const MAX_SECRET_LENGTH = 16_384;
/** When there are more, those that were added first are forgotten. */
const MAX_SECRETS = 500;
/** A line of a longer value, such as a private key, is a secret by itself. */
const MIN_LINE_LENGTH = 16;

export class SecretValues {
  /** Those that were added last are at the end. */
  readonly #values = new Set<string>();
  /** Matches all forms of all values; undefined until it is needed after a change. */
  #pattern: RegExp | undefined;

  /** Values shorter than {@link MIN_SECRET_LENGTH} are left out. */
  add(values: Iterable<string>): void {
    for (const value of values) {
      if (value.length < MIN_SECRET_LENGTH || value.length > MAX_SECRET_LENGTH || /^[*\s]*$/.test(value)) continue;
      // Moves it to the end, if it is known.
      if (!this.#values.delete(value)) this.#pattern = undefined;
      this.#values.add(value);
    }
    for (const oldest of this.#values) {
      if (this.#values.size <= MAX_SECRETS) break;
      this.#values.delete(oldest);
    }
  }

  /** Replaces each value by `***`: as it is, URL-encoded, escaped for JSON and HTML, and within base64. */
  mask(text: string): string {
    if (this.#values.size === 0 || text.length < MIN_SECRET_LENGTH) return text;
    this.#pattern ??= toPattern(this.#values);
    return text.replace(this.#pattern, MASK);
  }
}

/** The secrets of this process. */
export const secrets = new SecretValues();

/** `text` without the secret values of this process. */
export function maskSecrets(text: string): string {
  return secrets.mask(text);
}

function toPattern(values: Iterable<string>): RegExp {
  const forms = new Set<string>();
  for (const value of values) for (const form of formsOf(value)) forms.add(form);
  // A longer value may begin with a shorter one.
  const longestFirst = [...forms].sort((a, b) => b.length - a.length);
  return new RegExp(longestFirst.map((form) => form.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|'), 'g');
}

function* formsOf(value: string): Generator<string> {
  const lines = value.split(/\r\n|\r|\n/).filter((line) => line.length >= MIN_LINE_LENGTH);
  for (const one of new Set([value, ...lines])) {
    const json = JSON.stringify(one).slice(1, -1);
    const encoded = [encodeURIComponent(one.toWellFormed()), encodeURI(one.toWellFormed()), toFormValue(one)];
    yield* [one, json, JSON.stringify(json).slice(1, -1), toHtml(one)];
    for (const form of encoded) yield* [form, form.replace(/%[\dA-F]{2}/g, (escape) => escape.toLowerCase())];
    yield* toBase64Cores(one);
  }
}

function toFormValue(value: string): string {
  return new URLSearchParams({ '': value }).toString().slice(1);
}

function toHtml(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Base64 writes three bytes as four letters, so a value within a longer text has three forms. Returns the letters that are its own. */
function toBase64Cores(value: string): string[] {
  const bytes = Buffer.from(value);
  return [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const core = text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    return [core, core.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
