/** The columns that a text takes on a terminal, and texts made to fit into a number of columns. */

/** Characters that take two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Returns the number of columns that `text` takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : 1;
  return width;
}

/** Returns the beginning of `text` that fits into `columns`. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  for (const character of text) {
    if (widthOf(kept + character) > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Shortens `text` to `width` columns. It leaves the beginning and the end, because names often differ at their end. */
export function shorten(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const letters = Array.from(text);
  let head = '';
  let tail = '';
  for (;;) {
    const isHead = widthOf(head) < widthOf(tail);
    const letter = (isHead ? letters.shift() : letters.pop()) ?? '';
    if (widthOf(head) + widthOf(letter) + widthOf(tail) + 1 > width) return `${head}…${tail}`;
    if (isHead) head += letter;
    else tail = `${letter}${tail}`;
  }
}

/** Breaks `text` between words; a longer word gets a line of its own. Line breaks of the text stay. */
export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = [];
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
        lines.push(line);
        line = word;
      } else {
        line = line === '' ? word : `${line} ${word}`;
      }
    }
    return [...lines, line];
  });
}
