/** CSV according to RFC 4180. Nested values are JSON; text that a spreadsheet would run as a formula is escaped. */
import { createReadStream } from 'node:fs';

import { stringify } from 'csv-stringify/sync';

/** The number of letters that are converted together. */
const CHUNK_LETTERS = 100_000;

/** Yields the CSV text of a file of JSON lines, in parts. `columns` are all fields of its records, sorted. */
export async function* toCsv(file: string, columns: readonly string[]): AsyncGenerator<string> {
  yield toRows([columns.map(escapeFormula)], columns);
  let lines: string[] = [];
  let length = 0;
  for await (const line of readLines(file)) {
    lines.push(line);
    length += line.length;
    if (length < CHUNK_LETTERS) continue;
    yield toRows(lines.map(toCells(columns)), columns);
    lines = [];
    length = 0;
  }
  if (lines.length > 0) yield toRows(lines.map(toCells(columns)), columns);
}

function toRows(rows: readonly string[][], columns: readonly string[]): string {
  return stringify([...rows], {
    record_delimiter: '\r\n',
    // The library quotes only the line break CR LF that it writes itself, but readers also end lines at CR or at LF.
    quoted_match: /[\r\n]/,
    // A row of one empty cell would be an empty line, which readers skip.
    quoted_empty: columns.length === 1,
  });
}

function toCells(columns: readonly string[]): (line: string) => string[] {
  return (line) => {
    const row = JSON.parse(line) as Record<string, unknown>;
    // A field may have the name of an inherited property, such as `constructor`.
    return columns.map((column) => (Object.hasOwn(row, column) ? toCell(row[column]) : ''));
  };
}

function toCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? escapeFormula(value) : JSON.stringify(value);
}

/** Follows OWASP's advice on CSV injection, also for full-width forms. Numbers keep their sign, because only texts are escaped. */
function escapeFormula(text: string): string {
  return /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
}

/** Splits at line feeds only, which JSON text never contains. `node:readline` would split at other line breaks, too. */
async function* readLines(file: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
    const [first = '', ...others] = (chunk as string).split('\n');
    rest += first;
    for (const line of others) {
      yield rest;
      rest = line;
    }
  }
}
