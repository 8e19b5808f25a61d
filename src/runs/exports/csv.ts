/** CSV after RFC 4180: nested values as JSON; text that a spreadsheet would run as a formula is escaped. */
import { createReadStream } from 'node:fs';

import { stringify } from 'csv-stringify/sync';

/** Text of lines that are converted at once. */
const CHUNK_LETTERS = 100_000;

/** The CSV text of a file of JSON lines, in parts. `columns` are all fields of its records, sorted. */
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
    // The library quotes only the line break that it writes itself; readers take either half of it for one.
    quoted_match: /[\r\n]/,
    // A row of one empty cell would be an empty line, which readers pass over.
    quoted_empty: columns.length === 1,
  });
}

function toCells(columns: readonly string[]): (line: string) => string[] {
  return (line) => {
    const row = JSON.parse(line) as Record<string, unknown>;
    // A field may be named like what every object inherits.
    return columns.map((column) => (Object.hasOwn(row, column) ? toCell(row[column]) : ''));
  };
}

function toCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? escapeFormula(value) : JSON.stringify(value);
}

/** OWASP's advice on CSV injection, the full-width forms included. Numbers keep their sign: only texts come here. */
function escapeFormula(text: string): string {
  return /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
}

/** JSON holds no line feeds, and other line breaks end no line here, as they would with `node:readline`. */
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
