/**
 * HTML as a tagged template. Every interpolated text is escaped, because texts come from hostile pages. Only other {@link Html}
 * values are inserted unchanged.
 */
import { toPlainText } from './plain-text.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** HTML text that is complete and safe. Only this module makes it. */
export class Html {
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  /** Joins the parts of a template. */
  static join(parts: readonly string[], values: readonly HtmlValue[]): Html {
    let text = parts[0] ?? '';
    for (const [index, value] of values.entries()) text += toHtmlText(value) + (parts[index + 1] ?? '');
    return new Html(text);
  }
}

/** Null and undefined are empty. The elements of a list follow each other. */
export type HtmlValue = string | number | Html | null | undefined | readonly HtmlValue[];

/**
 * Makes HTML. Attributes need quotes: `html\`<a href="${url}">${name}</a>\``. An address must be checked by the caller; see
 * {@link toImageAddress}.
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return Html.join(parts, values);
}

/** Returns the text unchanged. Only for constants of this program, such as rules of CSS. */
export function toTrusted(constant: string): Html {
  return Html.join([constant], []);
}

/** Returns the address of a picture that is a part of the file; undefined if the text is not base64. */
export function toImageAddress(type: 'png' | 'jpeg', base64: string): string | undefined {
  return base64 !== '' && BASE64.test(base64) ? `data:image/${type};base64,${base64}` : undefined;
}

function toHtmlText(value: HtmlValue): string {
  if (value instanceof Html) return value.text;
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? escape(value) : value.map(toHtmlText).join('');
}

function escape(text: string): string {
  return toPlainText(text.toWellFormed()).replace(/[&<>"'`]/g, (character) => ESCAPES[character] ?? character);
}
