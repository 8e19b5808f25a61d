/**
 * Text from pages, files and other programs made harmless for a terminal and a log. A terminal acts on control characters: it moves its
 * cursor, writes to the clipboard, shows a link as another one. Line breaks forge lines, and some invisible characters reverse the order
 * in which a text is shown.
 */

/** Control characters, line and paragraph separators, and invisible characters but for the joiners that scripts and emoji need. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu;
const LINE_BREAK = /\r\n|\n/;
const UNSAFE_BUT_TABS = /(?!\t)[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu;

/** One line: each character that a terminal would act on becomes a space, line breaks too. */
export function toPlainLine(text: string): string {
  return text.replace(UNSAFE, ' ');
}

/** The same with its line breaks, as `\n`, and its tabs. */
export function toPlainText(text: string): string {
  return text
    .split(LINE_BREAK)
    .map((line) => line.replace(UNSAFE_BUT_TABS, ' '))
    .join('\n');
}

/** JSON text without unsafe characters and line breaks: they are escaped, so that it has the same value. White space at its end is removed. */
export function toPlainJson(json: string): string {
  return json.trimEnd().replace(UNSAFE, (character) =>
    // A character above U+FFFF has two UTF-16 units, and needs an escape for each.
    character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}
