/** Texts beside their names, wrapped to the terminal. */
import { widthOf } from './progress-line.ts';

const WIDEST = 120;
/** Where the output is no terminal. */
const DEFAULT_WIDTH = 100;
const GAP = 2;

export interface TableRow {
  readonly name: string;
  /** One below the other, each wrapped by itself. */
  readonly texts: readonly string[];
}

export function renderTable(rows: readonly TableRow[], columns = process.stdout.columns || DEFAULT_WIDTH): string {
  const width = Math.min(columns, WIDEST);
  const nameWidth = Math.max(...rows.map(({ name }) => widthOf(name)), 0) + GAP;
  // On a very narrow terminal the texts go below the names.
  const indent = nameWidth > width / 2 ? GAP : nameWidth;
  return rows
    .map(({ name, texts }) => {
      const lines = texts.flatMap((text) => wrap(text, width - indent)).map((line) => `${' '.repeat(indent)}${line}`);
      const [first = ''] = lines;
      if (indent < nameWidth) return [name, ...lines].map((line) => `${line}\n`).join('');
      return [name.padEnd(indent) + first.slice(indent), ...lines.slice(1)].map((line) => `${line}\n`).join('');
    })
    .join('');
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
