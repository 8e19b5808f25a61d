/** Tables that fit the terminal: texts beside their names, wrapped; and rows of columns, shortened. */
import { toPlainLine } from '../../core/plain-text.ts';
import { toSafeLine, toSafeText } from './safe-text.ts';
import { cut, shorten, widthOf, wrap } from './text-width.ts';

const MAX_WIDTH = 120;
/** The width if the output is not a terminal. */
const DEFAULT_WIDTH = 100;
const GAP = 2;

export interface TableRow {
  readonly name: string;
  /** The texts, one below the other, each wrapped separately. */
  readonly texts: readonly string[];
  /** Prevents wrapping. It is set for commands, so that the user can copy them. */
  readonly isWhole?: boolean;
}

export interface Column {
  readonly title: string;
  /** The number of letters to which the column can be shortened. Default: it is never shortened. */
  readonly least?: number;
  /** The column is left out if the columns do not fit. The last optional one is left out first. */
  readonly isOptional?: boolean;
  readonly isNumber?: boolean;
}

export function renderTable(rows: readonly TableRow[], columns = terminalWidth()): string {
  const width = Math.min(columns, MAX_WIDTH);
  const nameWidth = Math.max(...rows.map(({ name }) => widthOf(name)), 0) + GAP;
  // On a very narrow terminal the texts go below the names.
  const indent = nameWidth > width / 2 ? GAP : nameWidth;
  return rows
    .map(({ name, texts, isWhole = false }) => {
      const wrapped = isWhole ? texts : texts.flatMap((text) => wrap(text, width - indent));
      const lines = wrapped.map((line) => `${' '.repeat(indent)}${line}`);
      const [first = ''] = lines;
      if (indent < nameWidth) return [name, ...lines].map((line) => `${line}\n`).join('');
      return [name.padEnd(indent) + first.slice(indent), ...lines.slice(1)].map((line) => `${line}\n`).join('');
    })
    .join('');
}

/** A name with one text, several texts, or none. */
export type Field = readonly [name: string, text: string | readonly string[] | null];

/** Renders one line per field, then the next commands, which are never wrapped, so that the user can copy them. */
export function renderFields(fields: readonly Field[], next: readonly string[]): string {
  const rows = fields.map(([name, given]) => {
    const texts = given === null ? [] : typeof given === 'string' ? [given] : given;
    return { name, texts: texts.map(toSafeText), isWhole: false };
  });
  return renderTable(
    [...rows, { name: 'next', texts: next.map(toPlainLine), isWhole: true }].filter(({ texts }) => texts.length > 0),
  );
}

/** Wraps sentences. An indented line is a command and is not wrapped. */
export function renderLines(lines: readonly string[], columns = terminalWidth()): string {
  const width = Math.min(columns, MAX_WIDTH);
  const wrapped = lines.flatMap((line) => (line.startsWith(' ') ? [line] : wrap(line, width)));
  return wrapped.map((line) => `${line}\n`).join('');
}

/**
 * Renders one line per row, at most as wide as the terminal. Columns that can be shortened become narrower, and those that are optional are
 * left out if that is not enough. Cells can contain foreign text, so characters that a terminal interprets are removed.
 */
export function renderColumns(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = terminalWidth(),
): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((cells) => cells.map(toSafeLine))];
  // There can be more rows than a call can take arguments.
  const natural = columns.map((_column, at) =>
    lines.reduce((widest, cells) => Math.max(widest, widthOf(cells[at] ?? '')), 0),
  );
  const { shown, gap } = fitColumns(columns, natural, width);
  const toLine = (cells: readonly string[]) =>
    shown.map(([at, space]) => pad(shorten(cells[at] ?? '', space), space, columns[at]?.isNumber));
  return lines.map((cells) => `${cut(toLine(cells).join(' '.repeat(gap)).trimEnd(), width)}\n`).join('');
}

/** Returns the positions and widths of the columns that fit into `width`. The gaps become narrower before a column is left out. */
function fitColumns(
  columns: readonly Column[],
  natural: readonly number[],
  width: number,
): { readonly shown: readonly (readonly [at: number, space: number])[]; readonly gap: number } {
  const optional = columns.flatMap(({ isOptional }, at) => (isOptional === true ? [at] : []));
  for (let left = [...columns.keys()]; ; left = left.filter((at) => at !== optional.at(-1)), optional.pop()) {
    for (const gap of [GAP, 1]) {
      const space = width - gap * (left.length - 1);
      const shown = shrink(left, { columns, natural, space });
      const isFitting = shown.reduce((total, [, one]) => total + one, 0) <= space;
      if (isFitting || (gap === 1 && optional.length === 0)) return { shown, gap };
    }
  }
}

/** Makes the widest of the columns that can be shortened narrower, until all fit into `space` or none can be shortened further. */
function shrink(
  positions: readonly number[],
  {
    columns,
    natural,
    space,
  }: { readonly columns: readonly Column[]; readonly natural: readonly number[]; readonly space: number },
): [at: number, space: number][] {
  const shown = positions.map((at): [number, number] => [at, natural[at] ?? 0]);
  for (let over = shown.reduce((total, [, one]) => total + one, 0) - space; over > 0; over -= 1) {
    const [widest] = shown
      .filter(([at, one]) => one > (columns[at]?.least ?? Infinity))
      .toSorted(([, a], [, b]) => b - a);
    if (widest === undefined) break;
    widest[1] -= 1;
  }
  return shown;
}

/** Returns the width of the terminal; if there is none, the value of `COLUMNS`. */
function terminalWidth(): number {
  return process.stdout.columns || Number(process.env['COLUMNS']) || DEFAULT_WIDTH;
}

function pad(text: string, width: number, isNumber = false): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return isNumber ? space + text : text + space;
}
