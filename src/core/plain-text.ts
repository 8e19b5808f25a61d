/**
 * Makes text from pages, files and other programs safe for a terminal and a log. A terminal obeys control characters: they move its cursor,
 * write to the clipboard, or display a link as another one. Line breaks forge lines, and some invisible characters reverse the order of the
 * displayed text.
 */

/** Control characters, line and paragraph separators, and invisible characters except the joiners that scripts and emoji need. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu;
const LINE_BREAK = /\r\n|\n/;
const UNSAFE_BUT_TABS = /(?!\t)[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu;

/** Returns the text as one line: each unsafe character becomes a space, line breaks included. */
export function toPlainLine(text: string): string {
  return text.replace(UNSAFE, ' ');
}

/** Returns the text without unsafe characters, but with its tabs and with its line breaks as `\n`. */
export function toPlainText(text: string): string {
  return text
    .split(LINE_BREAK)
    .map((line) => line.replace(UNSAFE_BUT_TABS, ' '))
    .join('\n');
}

/**
 * Returns JSON text with the same value but without unsafe characters and line breaks: they are escaped. White space at the end is removed.
 */
export function toPlainJson(json: string): string {
  return json.trimEnd().replace(UNSAFE, (character) =>
    // A character above U+FFFF has two UTF-16 units and needs an escape for each.
    character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}
